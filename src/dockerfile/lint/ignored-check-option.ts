// What stands in `# check=` and is not obeyed: names that no rule has, and what nobody reads.
import { type Diagnostic, nearest } from '../../core/diagnostic.ts'
import type { Span } from '../../core/span.ts'
import { type CheckOptions, placeOfPart } from '../check-options.ts'
import { type Rule, warningOf } from './rule.ts'

/** Differs: BuildKit turns off a rule that does not exist without a word, and the one that was meant stays on. */
export const ignoredCheckOption: Rule = {
  name: 'IgnoredCheckOption',
  description:
    'skip= and experimental= should name rules that exist, and check= say nothing that has no effect',
  origin: 'slipway',
}

/** Options with the place they were written at. */
export interface WrittenOptions {
  readonly options: CheckOptions
  /** Of the value, or of what the comment is about. None on the command line. */
  readonly span?: Span
  /** The directive's or comment's value, of which only what stands before the first blank was read. */
  readonly value: string
  /** A comment above an instruction can turn rules off and on, nothing else. */
  readonly isComment: boolean
}

/** What of `written` has no effect; `rules` are all there are. */
export function checkOptionText(written: WrittenOptions, rules: readonly Rule[]): Diagnostic[] {
  const { options, span, value, isComment } = written
  const found: Diagnostic[] = []
  const tell = (message: string, hint: string, part: string): void => {
    const place = span === undefined ? {} : { span: isComment ? span : placeOfPart(value, part, span) }
    const label = isComment ? { label: 'the check= comment above it' } : {}
    found.push({ ...warningOf(ignoredCheckOption, { message, hint }), ...place, ...label })
  }
  const rest = isComment || span !== undefined ? value.trim().split(/ +/).slice(1).join(' ') : ''
  if (isComment && options.fault !== undefined) {
    tell(`the comment has no effect: ${options.fault}`, 'write it as # check=skip=RuleA,RuleB', '')
    return found
  }
  if (isComment && options.error) {
    tell('error= has no effect above an instruction', 'write it into the # check= at the top of the file', '')
  }
  if (rest !== '') {
    tell(
      `what follows a blank is not read: ${JSON.stringify(rest)}`,
      'write the options without blanks',
      rest,
    )
  }
  const names = (key: string, list: CheckOptions['skip'], known: readonly Rule[]): void => {
    for (const name of list === 'all' ? [] : list) {
      if (name === '' || known.some((rule) => rule.name === name)) continue
      const quoted = JSON.stringify(name)
      if (name === 'all') {
        tell(`${key}= names no rule: "all"`, `all stands alone: ${key}=all`, name)
        continue
      }
      if (rules.some((rule) => rule.name === name)) {
        tell(`${key}= names a rule that is not experimental: ${quoted}`, 'it is on without being named', name)
        continue
      }
      const close = nearest(name, ['all', ...known.map((rule) => rule.name)])
      const usual = 'rules are named in CamelCase, as in their warnings'
      const hint = name.includes(';') ? 'there are three options: skip, experimental and error' : usual
      tell(`${key}= names no rule: ${quoted}`, close === undefined ? hint : `did you mean ${close}?`, name)
    }
  }
  names('skip', options.skip, rules)
  names(
    'experimental',
    options.experimental,
    rules.filter((rule) => rule.isExperimental),
  )
  return found
}
