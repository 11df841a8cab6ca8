// How a command ends that only starts a program: with that program's status.
import type { Context } from '../core/context.ts'
import { firstFailure, SlipwayError } from '../core/error.ts'
import { usageExitCode } from './command.ts'
import { openSession } from './session.ts'

/** The program's exit status; 125 when it could not be started for a reason of slipway's, 126 and 127 as a shell says them. */
export async function programStatus(
  run: (cx: Context) => Promise<{ readonly code: number }>,
): Promise<number> {
  const session = await openSession({ progress: 'quiet' })
  try {
    return (await run(session.cx)).code
  } catch (failure) {
    const thrown = firstFailure(failure)
    const interruptedBy = session.interruptedBy()
    if (interruptedBy !== undefined) return interruptedBy
    if (!(thrown instanceof SlipwayError)) throw thrown
    const { exitCode } = thrown.data ?? {}
    throw new SlipwayError({
      ...thrown.toJSON(),
      data: { ...thrown.data, exitStatus: typeof exitCode === 'number' ? exitCode : usageExitCode },
      cause: thrown,
    })
  } finally {
    session.finish()
  }
}
