// Parser directives that come too late.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes a directive below the first comment, blank line or instruction for a comment, without a word. */
export const lateDirective: TreeRule = {
  name: 'LateDirective',
  description:
    '# syntax= and # escape= should stand at the top of the file: below anything else they are comments',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const { name, span } of file.lateDirectives ?? []) {
      const message = `# ${name}= is a comment here: directives stand above everything else, blank lines too`
      yield { span, message, hint: 'move it to the first line, or take it out' }
    }
  },
}
