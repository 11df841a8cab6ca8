// BuildKit's FromAsCasing.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** `FROM … AS` or `from … as`. */
export const fromAsCasing: TreeRule = {
  name: 'FromAsCasing',
  description: "The 'as' keyword should match the case of the 'from' keyword",
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/from-as-casing/',
  *check({ stages }: Subject): Generator<Finding> {
    for (const { from } of stages.stages) {
      const { keyword, asKeyword } = from
      if (asKeyword === undefined) continue
      const isLower = keyword.text === keyword.text.toLowerCase()
      // A `From` is the business of ConsistentInstructionCasing.
      if (!isLower && keyword.text !== keyword.text.toUpperCase()) continue
      const wanted = isLower ? 'as' : 'AS'
      if (asKeyword.text === wanted) continue
      const message = `'${asKeyword.text}' and '${keyword.text}' keywords' casing do not match`
      yield { span: asKeyword.span, message, hint: `write ${wanted}` }
    }
  },
}
