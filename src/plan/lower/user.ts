// USER: whom RUN, the image's processes and new WORKDIRs belong to. Looked up only when something runs.
import type { User } from '../../dockerfile/ast.ts'
import { expandIn } from '../expand.ts'
import { type Lower, withConfig, withHistory } from '../state.ts'

export const lowerUser: Lower<User> = (state, instruction, cx) => {
  const user = expandIn(instruction.user, state, cx)
  return withHistory(withConfig(state, { User: user }), `USER ${user}`, cx)
}
