// BuildKit's DuplicateStageName.
import type { From } from '../../ast.ts'
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** One name, one stage. */
export const duplicateStageName: TreeRule = {
  name: 'DuplicateStageName',
  description: 'Stage names should be unique',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/duplicate-stage-name/',
  *check({ stages }: Subject): Generator<Finding> {
    const first = new Map<string, From>()
    for (const { name, from } of stages.stages) {
      if (name === undefined || from.as === undefined) continue
      const before = first.get(name)
      if (before?.as === undefined) {
        first.set(name, from)
        continue
      }
      yield {
        span: from.as.span,
        message: `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
        notes: [{ span: before.as.span, text: 'the first one' }],
      }
    }
  },
}
