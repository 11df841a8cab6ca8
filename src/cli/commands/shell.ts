// `slipway shell --last-failed`: a shell, or another program, where the last step failed.
import type { FailedShellRequest } from '../../app/failed-shell.ts'
import { SlipwayError } from '../../core/error.ts'
import { collect } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions, requireRoot } from '../paths.ts'
import { programStatus } from '../program-status.ts'
import { secretFlag } from '../secret-flag.ts'
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
        const request: FailedShellRequest = { args, terminal: process.stdin.isTTY === true }
        finish(
          await programStatus(async (cx) => {
            const { runInFailedStep } = await import('../../app/failed-shell.ts')
            return runInFailedStep(request, options, cx)
          }),
        )
      })
  },
}
