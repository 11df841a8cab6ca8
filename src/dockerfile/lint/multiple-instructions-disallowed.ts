// BuildKit's MultipleInstructionsDisallowed.
import type { Instruction } from '../ast.ts'
import type { Finding, Rule, Subject } from './rule.ts'

const onlyLastCounts = new Set<Instruction['kind']>(['CMD', 'ENTRYPOINT', 'HEALTHCHECK'])

/** One CMD, one ENTRYPOINT, one HEALTHCHECK in a stage. Located at the one that is overridden. */
export const multipleInstructionsDisallowed: Rule = {
  name: 'MultipleInstructionsDisallowed',
  description: 'Multiple instructions of the same type should not be used in the same stage',
  *check({ stages }: Subject): Generator<Finding> {
    for (const { instructions } of stages.stages) {
      const last = new Map<Instruction['kind'], Instruction>()
      for (const instruction of instructions) {
        const { kind, keyword } = instruction
        if (!onlyLastCounts.has(kind)) continue
        const before = last.get(kind)
        last.set(kind, instruction)
        if (before === undefined) continue
        yield {
          instruction: before,
          span: before.keyword.span,
          message: `Multiple ${kind} instructions should not be used in the same stage because only the last one will be used`,
          notes: [{ span: keyword.span, text: 'overrides it' }],
        }
      }
    }
  },
}
