// BuildKit's ReservedStageName.
import type { Finding, Rule, Subject } from './rule.ts'

const reserved = new Set(['scratch', 'context'])

/** No stage called like something that exists already. */
export const reservedStageName: Rule = {
  name: 'ReservedStageName',
  description: 'Reserved words should not be used as stage names',
  *check({ stages }: Subject): Generator<Finding> {
    for (const { name, from } of stages.stages) {
      if (name === undefined || from.as === undefined || !reserved.has(name)) continue
      const message = `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`
      yield { instruction: from, span: from.as.span, message }
    }
  },
}
