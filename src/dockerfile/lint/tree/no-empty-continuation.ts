// BuildKit's NoEmptyContinuation.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** No blank lines between continued lines. */
export const noEmptyContinuation: TreeRule = {
  name: 'NoEmptyContinuation',
  description: 'Empty continuation lines will become errors in a future release',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/',
  *check({ file }: Subject): Generator<Finding> {
    for (const instruction of file.instructions) {
      const [first] = instruction.emptyContinuations ?? []
      if (first === undefined) continue
      const hint = 'remove the blank line, or begin it with #'
      yield { span: first, message: 'Empty continuation line', hint }
    }
  },
}
