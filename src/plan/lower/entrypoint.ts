// ENTRYPOINT: the image's process. Its default arguments are forgotten unless this stage has given them.
import type { Entrypoint } from '../../dockerfile/ast.ts'
import { goQuoteAll } from '../go-format.ts'
import { type Lower, withConfig, withHistory } from '../state.ts'
import { argsOf } from './shell.ts'

export const lowerEntrypoint: Lower<Entrypoint> = (state, instruction, cx) => {
  const args = argsOf(instruction.command, state.config)
  const { Cmd: inherited, ...config } = state.config
  const after = withConfig(state.hasCmd ? state : { ...state, config }, { Entrypoint: args })
  return withHistory(after, `ENTRYPOINT ${goQuoteAll(args)}`, cx)
}
