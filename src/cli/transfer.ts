// What pull, push and the commands on the local store share: a session, an open host, one line of result.
import { join } from 'node:path'
import type { Host } from '../app/host.ts'
import type * as Images from '../app/images.ts'
import type { Context } from '../core/context.ts'
import { type ProgressMode, progressModes } from '../progress/view.ts'
import { usageError } from './command.ts'
import { hostOptions, stateRoot } from './paths.ts'
import { openSession } from './session.ts'

export interface TransferFlags {
  readonly progress?: string
  readonly quiet?: boolean
  readonly debug?: boolean
}

/** Runs `act` with progress on standard error and prints what it returns; resolves with the exit status. */
export async function transferCommand(
  flags: TransferFlags,
  act: (images: typeof Images, host: Host, cx: Context) => Promise<string>,
): Promise<number> {
  const session = await openSession({
    progress: flags.quiet ? 'quiet' : progressMode(flags.progress ?? 'quiet'),
    ...(flags.debug ? { logDirectory: join(stateRoot(), 'logs') } : {}),
  })
  try {
    const [images, { openHost }] = await Promise.all([import('../app/images.ts'), import('../app/host.ts')])
    await using host = await openHost(hostOptions(), session.cx)
    const text = await act(images, host, session.cx)
    session.finish()
    process.stdout.write(text)
    return 0
  } catch (thrown) {
    session.finish()
    const interruptedBy = session.interruptedBy()
    if (interruptedBy === undefined) throw thrown
    process.stderr.write('ERROR: interrupted\n')
    return interruptedBy
  }
}

/** A `--progress` value, or the usage error that lists them. */
export function progressMode(text: string): ProgressMode {
  const known = progressModes.find((mode) => mode === text)
  if (known === undefined) throw usageError('--progress', text, `one of ${progressModes.join(', ')}`)
  return known
}
