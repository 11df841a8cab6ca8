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

export function checkKeyValueFormat({ keyword, legacy, pairs: [pair] }: Env | Label): Diagnostic[] {
  if (!legacy || pair === undefined) return []
  const name = keyword.text
  const message = `"${name} key=value" should be used instead of legacy "${name} key value" format`
  // `ENV a = b`: the value is `= b`, which nobody means.
  const [equals = '', given = ''] = /^(=\s*)?(.*)$/s.exec(pair.value.text)?.slice(1) ?? []
  const isPlain = !/[\s"'\\`]/.test(given)
  const value = isPlain ? given : '"…"'
  const why = equals === '' ? '' : 'the = is part of the value here: '
  const hint = `${why}write ${name} ${pair.key.text}=${value}`
  return [warningOf(legacyKeyValueFormat, { span: pair.span, message, hint })]
}
