// The logs of failed steps in the state directory: the newest few, whole. What a log is made of is step-log.ts's.
import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/error.ts'
import type { Slot } from '../../graph/op.ts'
import type { StepLog } from './step-log.ts'

export interface KeptLogsOptions {
  /** How many logs stay, 20 if absent, and how many bytes they may take together, 1 GiB if absent. The newest always stays. */
  readonly mostLogs?: number
  readonly mostBytes?: number
}

export interface KeptLogs {
  /** Keeps the log of a step that failed; its path, or undefined when the step printed nothing. Older logs make room. Throws the errno of the disk. */
  keep(log: StepLog, slot: Slot): string | undefined
}

/** The logs in `directory`, made with mode 0700 when the first one is kept; any number of processes may share it. */
export function keptLogs(directory: string, options: KeptLogsOptions = {}): KeptLogs {
  const { mostLogs = 20, mostBytes = 1 << 30 } = options
  return {
    keep(log, { stage, ordinal }) {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const name = `${stage.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 64)}-${ordinal}-${randomBytes(4).toString('hex')}.log`
      const path = join(directory, name)
      if (!log.keep(path)) return undefined
      makeRoom(directory, { newest: name, mostLogs, mostBytes })
      return path
    },
  }
}

function makeRoom(
  directory: string,
  { newest, mostLogs, mostBytes }: Required<KeptLogsOptions> & { readonly newest: string },
): void {
  const logs = readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .flatMap((name) => {
      const found = lstatSync(join(directory, name), { throwIfNoEntry: false })
      return found === undefined ? [] : [{ name, sizeBytes: found.size, timeMs: found.mtimeMs }]
    })
    .sort((a, b) => Number(b.name === newest) - Number(a.name === newest) || b.timeMs - a.timeMs)
  let bytes = 0
  for (const [index, { name, sizeBytes }] of logs.entries()) {
    bytes += sizeBytes
    if (index === 0 || (index < mostLogs && bytes <= mostBytes)) continue
    try {
      unlinkSync(join(directory, name))
    } catch (thrown) {
      // Another process made room, too.
      if (errnoOf(thrown) !== 'ENOENT') throw thrown
    }
  }
}
