// MAINTAINER (deprecated): the image's author.
import type { Maintainer } from '../../dockerfile/ast.ts'
import { type Lower, withHistory } from '../state.ts'

export const lowerMaintainer: Lower<Maintainer> = (state, instruction, cx) => {
  const author = instruction.name.text
  return withHistory({ ...state, author }, `MAINTAINER ${author}`, cx)
}
