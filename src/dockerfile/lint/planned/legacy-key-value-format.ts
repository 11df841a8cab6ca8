// BuildKit's LegacyKeyValueFormat.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Env, Label } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** `ENV name=value`, not `ENV name value`. */
export const legacyKeyValueFormat: Rule = {
  name: 'LegacyKeyValueFormat',
  description: 'Legacy key/value format with whitespace separator should not be used',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/',
}

export function checkKeyValueFormat({ kind, legacy, pairs: [pair] }: Env | Label): Diagnostic[] {
  if (!legacy || pair === undefined) return []
  const message = `"${kind} key=value" should be used instead of legacy "${kind} key value" format`
  const isPlain = !/[\s"'\\`]/.test(pair.value.text)
  const value = isPlain ? pair.value.text : '"…"'
  const hint = `write ${kind} ${pair.key.text}=${value}`
  return [warningOf(legacyKeyValueFormat, { span: pair.span, message, hint })]
}
