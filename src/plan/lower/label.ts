// LABEL: metadata of the image.
import type { Label } from '../../dockerfile/ast.ts'
import { expandIn } from '../expand.ts'
import { type Lower, withAddition, withHistory } from '../state.ts'

export const lowerLabel: Lower<Label> = (state, instruction, cx) => {
  const pairs = instruction.pairs.map(
    ({ key, value }) => [expandIn(key, state, cx), expandIn(value, state, cx)] as const,
  )
  const after = withAddition(state, { member: 'Labels', entries: pairs })
  return withHistory(after, `LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`, cx)
}
