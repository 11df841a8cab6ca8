// `--on-error=shell`: what `slipway build` does with a step that failed before it gives up.
import type { BuildRequest } from '../app/request.ts'
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import { oneOf } from './command.ts'
import { printFailure } from './failure.ts'
import { hostOptions } from './paths.ts'

/** Whether a shell is asked for. Throws ERR_NO_TERMINAL when nobody could type into it. */
export function wantsShell(onError: string | undefined): boolean {
  if (onError === undefined) return false
  oneOf('--on-error', onError, ['shell'] as const)
  if (process.stdin.isTTY && process.stderr.isTTY) return true
  const which = process.stdin.isTTY ? 'standard error' : 'standard input'
  throw new SlipwayError({
    code: 'ERR_NO_TERMINAL',
    message: `--on-error=shell needs a terminal: ${which} is none`,
    hint: 'leave the flag out; slipway shell --last-failed COMMAND looks at a failed step without a terminal',
  })
}

/** A shell where the step of this failure failed; returns when it ends. Does nothing for other failures. */
export async function openFailedShell(
  thrown: unknown,
  { secrets, agents }: Pick<BuildRequest, 'secrets' | 'agents'>,
  cx: Context,
): Promise<void> {
  const id = thrown instanceof SlipwayError ? thrown.data?.failed : undefined
  if (!(thrown instanceof SlipwayError) || typeof id !== 'string') return
  process.stderr.write(`${thrown.message}\nA shell where it failed; when it ends, the build does:\n`)
  try {
    const { runInFailedStep } = await import('../app/failed-shell.ts')
    await runInFailedStep({ id, args: [], terminal: true }, { ...hostOptions(), secrets, agents }, cx)
  } catch (noShell) {
    printFailure(noShell)
  }
}
