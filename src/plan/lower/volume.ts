// VOLUME: paths the runtime mounts volumes at. Only metadata: what later steps write there stays.
import type { Volume } from '../../dockerfile/ast.ts'
import { expandKnown } from '../expand.ts'
import { goList } from '../go-format.ts'
import { type Lower, withAddition, withHistory } from '../state.ts'

export const lowerVolume: Lower<Volume> = (state, instruction, cx) => {
  const paths = instruction.paths.flatMap((word) => {
    const path = expandKnown(word, state, cx) ?? []
    if (path === '') {
      cx.report({
        code: 'EmptyVolume',
        severity: 'error',
        message: 'VOLUME specified can not be an empty string',
        span: word.span,
      })
    }
    return path
  })
  const after = withAddition(state, { member: 'Volumes', entries: paths.map((path) => [path, {}]) })
  return withHistory(after, `VOLUME ${goList(paths)}`, cx)
}
