// Names in `# check=` that no rule has.
import { type Diagnostic, nearest } from '../../core/diagnostic.ts'
import type { Span } from '../../core/span.ts'
import type { CheckOptions } from '../check-options.ts'
import { type Rule, warningOf } from './rule.ts'

/** Differs: BuildKit turns off a rule that does not exist without a word, and the one that was meant stays on. */
export const unknownCheckRule: Rule = {
  name: 'UnknownCheckRule',
  description: 'skip= and experimental= should name rules that exist',
  origin: 'slipway',
}

/** The names in `options` that none of `rules` has; `where` is the place they stand at, if it is in the file. */
export function checkRuleNames(
  options: CheckOptions,
  rules: readonly Rule[],
  where: Span | undefined,
): Diagnostic[] {
  const place = where === undefined ? {} : { span: where }
  const wrong = (message: string, hint: string): Diagnostic =>
    warningOf(unknownCheckRule, { ...place, message, hint })
  const unknown = (key: string, names: 'all' | readonly string[], known: readonly Rule[]): Diagnostic[] =>
    (names === 'all' ? [] : names).flatMap((name) => {
      if (name === '' || known.some((rule) => rule.name === name)) return []
      const quoted = JSON.stringify(name)
      if (rules.some((rule) => rule.name === name)) {
        return wrong(
          `${key}= names a rule that is not experimental: ${quoted}`,
          'it is on without being named',
        )
      }
      const close = nearest(name, ['all', ...known.map((rule) => rule.name)])
      const hint =
        close === undefined ? 'rules are named in CamelCase, as in their warnings' : `did you mean ${close}?`
      return wrong(`${key}= names no rule: ${quoted}`, hint)
    })
  const experimental = rules.filter((rule) => rule.isExperimental)
  return [
    ...unknown('skip', options.skip, rules),
    ...unknown('experimental', options.experimental, experimental),
  ]
}
