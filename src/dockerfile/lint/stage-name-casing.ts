// BuildKit's StageNameCasing.
import type { Finding, Rule, Subject } from './rule.ts'

/** Stage names in lower case, as lookups see them. */
export const stageNameCasing: Rule = {
  name: 'StageNameCasing',
  description: 'Stage names should be lowercase',
  *check({ stages }: Subject): Generator<Finding> {
    for (const { name, from } of stages.stages) {
      if (from.as === undefined || from.as.text === name) continue
      const message = `Stage name '${from.as.text}' should be lowercase`
      yield { instruction: from, span: from.as.span, message, hint: `write ${name}` }
    }
  },
}
