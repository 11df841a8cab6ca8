// BuildKit's LegacyKeyValueFormat.
import type { Finding, Rule, Subject } from './rule.ts'

/** `ENV name=value`, not `ENV name value`. */
export const legacyKeyValueFormat: Rule = {
  name: 'LegacyKeyValueFormat',
  description: 'Legacy key/value format with whitespace separator should not be used',
  *check({ stages }: Subject): Generator<Finding> {
    for (const { instructions } of stages.stages) {
      for (const instruction of instructions) {
        if (instruction.kind !== 'ENV' && instruction.kind !== 'LABEL') continue
        const [pair] = instruction.pairs
        if (!instruction.legacy || pair === undefined) continue
        const message = `"${instruction.kind} key=value" should be used instead of legacy "${instruction.kind} key value" format`
        const isPlain = !/[\s"'\\`]/.test(pair.value.text)
        const value = isPlain ? pair.value.text : '"…"'
        const hint = `write ${instruction.kind} ${pair.key.text}=${value}`
        yield { instruction, span: pair.span, message, hint }
      }
    }
  },
}
