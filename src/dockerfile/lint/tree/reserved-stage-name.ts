// BuildKit's ReservedStageName.
import type { Finding, Subject, TreeRule } from '../rule.ts'

const reserved = new Set(['scratch', 'context'])

/** No stage called like something that exists already. */
export const reservedStageName: TreeRule = {
  name: 'ReservedStageName',
  description: 'Reserved words should not be used as stage names',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/reserved-stage-name/',
  *check({ stages }: Subject): Generator<Finding> {
    for (const { name, from } of stages.stages) {
      if (name === undefined || from.as === undefined || !reserved.has(name)) continue
      const message = `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`
      yield { span: from.as.span, message }
    }
  },
}
