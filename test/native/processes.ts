// What tests see of the processes of this machine while they run.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** All that run. */
export function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: parentOf(name), command: commandOf(Number(name)) }))
}

function parentOf(pid: string): number {
  return Number(/\) \S (\d+)/.exec(readIfThere(`/proc/${pid}/stat`))?.[1] ?? 0)
}

function commandOf(pid: number): string {
  return readIfThere(`/proc/${pid}/cmdline`)
}

function isHelper(command: string): boolean {
  return /(^|\/)slipway-helper\0run\0/.test(command)
}

/** The helper that runs a step for this process. */
export function childHelper(): Process | undefined {
  return processes().find(({ command, parent }) => parent === process.pid && isHelper(command))
}

/** How many mount tables of the machine name `directory`. */
export function mounts(directory: string): number {
  return processes().filter(({ pid }) => readIfThere(`/proc/${pid}/mountinfo`).includes(directory)).length
}

/** What is in the file; nothing when it is not there, as of processes that end while they are looked at. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** What `look` sees at last; throws after 20 seconds of nothing. */
export async function waitFor<T>(look: () => T): Promise<NonNullable<T>> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    const seen = look()
    if (seen) return seen
    await sleep(20)
  }
  throw new Error(`waited in vain for ${look}`)
}
