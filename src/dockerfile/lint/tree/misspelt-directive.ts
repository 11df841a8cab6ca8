// Parser directives whose name is nearly right.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes a directive whose name it does not know for a comment, without a word. */
export const misspeltDirective: TreeRule = {
  name: 'MisspeltDirective',
  description:
    'A comment at the top of the file should not look like a parser directive with a misspelt name',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const { name, meant, span } of file.misspeltDirectives ?? []) {
      const message = `# ${name}= is a comment: there is no parser directive of that name`
      yield { span, message, hint: `did you mean # ${meant}=?` }
    }
  },
}
