// BuildKit's StageNameCasing.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Stage names in lower case, as lookups see them. */
export const stageNameCasing: TreeRule = {
  name: 'StageNameCasing',
  description: 'Stage names should be lowercase',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/stage-name-casing/',
  *check({ stages }: Subject): Generator<Finding> {
    for (const { name, from } of stages.stages) {
      if (from.as === undefined || from.as.text === name) continue
      const message = `Stage name '${from.as.text}' should be lowercase`
      yield { span: from.as.span, message, hint: `write ${name}` }
    }
  },
}
