// SHELL: what shell-form RUN, CMD and ENTRYPOINT after it are given to.
import type { Command, Shell } from '../../dockerfile/ast.ts'
import type { ContainerConfig } from '../../image/types.ts'
import { goList } from '../go-format.ts'
import { type Lower, withConfig, withHistory } from '../state.ts'

export const lowerShell: Lower<Shell> = (state, instruction, cx) =>
  withHistory(withConfig(state, { Shell: instruction.args }), `SHELL ${goList(instruction.args)}`, cx)

/** The argument vector of a command: exec form as it is, shell form behind the image's shell. */
export function argsOf(command: Command, config: ContainerConfig): readonly string[] {
  return command.form === 'exec' ? command.args : behindShell(command.text, config)
}

/** `text` as one argument of the image's shell. */
export function behindShell(text: string, config: ContainerConfig): readonly string[] {
  const shell = config.Shell !== undefined && config.Shell.length > 0 ? config.Shell : ['/bin/sh', '-c']
  return [...shell, text]
}
