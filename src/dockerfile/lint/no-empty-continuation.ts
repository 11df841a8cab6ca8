// BuildKit's NoEmptyContinuation.
import type { Finding, Rule, Subject } from './rule.ts'

/** No blank lines between continued lines. */
export const noEmptyContinuation: Rule = {
  name: 'NoEmptyContinuation',
  description: 'Empty continuation lines will become errors in a future release',
  *check({ file }: Subject): Generator<Finding> {
    for (const instruction of file.instructions) {
      const [first] = instruction.emptyContinuations ?? []
      if (first === undefined) continue
      const hint = 'remove the blank line, or begin it with #'
      yield { instruction, span: first, message: 'Empty continuation line', hint }
    }
  },
}
