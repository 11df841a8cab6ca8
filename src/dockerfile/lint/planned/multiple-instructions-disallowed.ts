// BuildKit's MultipleInstructionsDisallowed.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Instruction } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** One CMD, one ENTRYPOINT, one HEALTHCHECK in a stage. Located at the one that is overridden. */
export const multipleInstructionsDisallowed: Rule = {
  name: 'MultipleInstructionsDisallowed',
  description: 'Multiple instructions of the same type should not be used in the same stage',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/multiple-instructions-disallowed/',
}

const onlyLastCounts: ReadonlySet<Instruction['kind']> = new Set(['CMD', 'ENTRYPOINT', 'HEALTHCHECK'])

/** Those of a stage's instructions, its triggers first, that a later one overrides. */
export function checkMultiple(instructions: readonly Instruction[]): Diagnostic[] {
  const found: Diagnostic[] = []
  const last = new Map<Instruction['kind'], Instruction>()
  for (const instruction of instructions) {
    const { kind, keyword } = instruction
    if (!onlyLastCounts.has(kind)) continue
    const before = last.get(kind)
    last.set(kind, instruction)
    if (before === undefined) continue
    const message = `Multiple ${keyword.text} instructions should not be used in the same stage because only the last one will be used`
    const notes = [{ span: keyword.span, text: 'overrides it' }]
    found.push(warningOf(multipleInstructionsDisallowed, { span: before.keyword.span, message, notes }))
  }
  return found
}
