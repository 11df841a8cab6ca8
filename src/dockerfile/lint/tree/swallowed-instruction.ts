// Instructions that a line above has taken for its own rest.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit joins whatever follows an escape character at the end of a line, without a word. */
export const swallowedInstruction: TreeRule = {
  name: 'SwallowedInstruction',
  description: 'A line that another one continues into should not begin with the name of an instruction',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const { kind, swallowed = [] } of file.instructions) {
      for (const { name, joint } of swallowed) {
        yield {
          span: name.span,
          message: `${name.text} is no instruction here: the line above continues into this one`,
          notes: [{ span: joint, text: `this makes it a part of ${kind}` }],
          hint: 'end the line above without the escape character',
        }
      }
    }
  },
}
