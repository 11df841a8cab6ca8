// What pull, push and the commands on the local store share: a session, an open host, one line of result.
import { join } from 'node:path'
import type { Host } from '../app/host.ts'
import type * as Images from '../app/images.ts'
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import { type ProgressMode, progressModes } from '../progress/view.ts'
import { oneOf } from './command.ts'
import { printFailure } from './failure.ts'
import { hostOptions, stateRoot } from './paths.ts'
import { openSession } from './session.ts'

export interface TransferFlags {
  readonly progress?: string
  readonly quiet?: boolean
  readonly debug?: boolean
}

/** What a command prints, and its exit status when that is not 0. */
export interface Printed {
  readonly text: string
  readonly status?: number
}

/** Runs `act` with progress on standard error and prints what it returns; resolves with the exit status. */
export async function transferCommand(
  flags: TransferFlags,
  act: (images: typeof Images, host: Host, cx: Context) => Promise<Printed>,
  /** Nothing is written to the state directory; `if-needed`: where nothing can be. */
  options: { readonly readOnly?: true | 'if-needed' } = {},
): Promise<number> {
  const session = await openSession({
    progress: flags.quiet ? 'quiet' : progressMode(flags.progress ?? 'quiet'),
    ...(flags.debug ? { logDirectory: join(stateRoot(), 'logs') } : {}),
  })
  try {
    const [images, { openHost }] = await Promise.all([import('../app/images.ts'), import('../app/host.ts')])
    await using host = await openHost(
      { ...hostOptions(), readOnly: options.readOnly === true },
      session.cx,
    ).catch((thrown: unknown) => {
      if (options.readOnly !== 'if-needed' || !cannotWrite(thrown)) throw thrown
      return openHost({ ...hostOptions(), readOnly: true }, session.cx)
    })
    const { text, status } = await act(images, host, session.cx)
    session.finish()
    process.stdout.write(text)
    return status ?? 0
  } catch (thrown) {
    session.finish()
    const interruptedBy = session.interruptedBy()
    if (interruptedBy === undefined) throw thrown
    process.stderr.write('ERROR: interrupted\n')
    return interruptedBy
  }
}

/** As `transferCommand` for a command that only looks: it works on a disk that is full or read-only. */
export function lookCommand(act: Parameters<typeof transferCommand>[1]): Promise<number> {
  return transferCommand({}, act, { readOnly: true })
}

function cannotWrite(thrown: unknown): boolean {
  const codes = ['ERR_STORE_READ_ONLY', 'ERR_STORE_DENIED', 'ERR_STORE_FULL']
  return thrown instanceof SlipwayError && codes.includes(thrown.code)
}

/** Runs `act` for every name although some fail: each failure is printed and makes the status 1, as docker's. */
export async function eachName<T>(
  names: readonly string[],
  { signal }: Pick<Context, 'signal'>,
  act: (name: string) => Promise<T>,
): Promise<{ readonly done: readonly T[]; readonly status: number }> {
  const done: T[] = []
  let status = 0
  for (const name of names) {
    signal.throwIfAborted()
    try {
      done.push(await act(name))
    } catch (thrown) {
      signal.throwIfAborted()
      status = printFailure(thrown)
    }
  }
  return { done, status }
}

/** A `--progress` value, or the usage error that lists them. */
export function progressMode(text: string): ProgressMode {
  return oneOf('--progress', text, progressModes)
}
