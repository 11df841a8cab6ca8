// CMD: the default arguments of the image's process.
import type { Cmd } from '../../dockerfile/ast.ts'
import { goQuoteAll } from '../go-format.ts'
import { type Lower, withConfig, withHistory } from '../state.ts'
import { argsOf } from './shell.ts'

export const lowerCmd: Lower<Cmd> = (state, instruction, cx) => {
  const args = argsOf(instruction.command, state.config)
  const after = withConfig({ ...state, hasCmd: true }, { Cmd: args, ArgsEscaped: true })
  return withHistory(after, `CMD ${goQuoteAll(args)}`, cx)
}
