// `slipway shell --last-failed`: a shell, or another program, where the last step failed.
import type { FailedShellRequest } from '../../app/failed-shell.ts'
import type { HostOptions } from '../../app/host.ts'
import { SlipwayError } from '../../core/error.ts'
import { collect, usageExitCode } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions, requireRoot } from '../paths.ts'
import { secretFlag } from '../secret-flag.ts'
import { openSession } from '../session.ts'
import { sshFlag } from '../ssh-flag.ts'

interface Flags {
  readonly lastFailed?: boolean
  readonly secret?: readonly string[]
  readonly ssh?: readonly string[]
}

export const shellCommand: CommandPage = {
  summary: 'Open a shell where the last step failed',
  define(command, finish) {
    command
      .usage('--last-failed [OPTIONS] [COMMAND] [ARG...]')
      .argument('[command...]', 'runs in place of a shell')
      .passThroughOptions()
      .option('--last-failed', 'in the step that failed last in this state directory')
      .option('--secret <spec>', 'secret of the step: id=NAME[,src=FILE|,env=VARIABLE]', collect)
      .option('--ssh <agent>', 'SSH agent of the step: default[=SOCKET]', collect)
      .action(async (args: string[], flags: Flags) => {
        if (!flags.lastFailed) {
          throw new SlipwayError({
            code: 'ERR_ARGUMENTS',
            message: '"slipway shell" requires --last-failed',
            hint: 'slipway run -it IMAGE sh opens a shell in an image',
          })
        }
        requireRoot('open a shell')
        const options = {
          ...hostOptions(),
          secrets: (flags.secret ?? []).map(secretFlag),
          agents: (flags.ssh ?? []).map(sshFlag),
        }
        finish(await shellStatus({ args, terminal: process.stdin.isTTY === true }, options))
      })
  },
}

/** The program's exit status; 125 when it could not be started for a reason of slipway's, 126 and 127 as a shell says them. */
async function shellStatus(request: FailedShellRequest, options: HostOptions): Promise<number> {
  const session = await openSession({ progress: 'quiet' })
  try {
    const { runInFailedStep } = await import('../../app/failed-shell.ts')
    return (await runInFailedStep(request, options, session.cx)).code
  } catch (thrown) {
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
