// Words with variables to the text they mean. The environment is the caller's; nothing is remembered here.
import { deepestWord, isLiteral, parseWord, type WordPart } from '../../grammar/shell-word.ts'
import { faultOf } from '../../grammar/word-fault.ts'
import type { Diagnostic, Outcome } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Heredoc, Word } from './ast.ts'
import type { EscapeCharacter } from './characters.ts'
import { Expansion, ExpansionFault, maxExpansion, type Variables } from './expansion.ts'

/** One use of a variable in a word. */
export interface VariableUse {
  readonly name: string
  readonly defined: boolean
  /** `:-`, `+`, `#` … when the use has one: with some, an undefined variable is no mistake. */
  readonly operator?: string
  readonly span: Span
}

export interface ExpandOptions {
  /** The file's escape character (`Stages.escape`); `\` when absent. */
  readonly escape?: string
  /** Told about every variable the word names, defaults included, whether their values are needed or not. */
  readonly onUse?: (use: VariableUse) => void
}

export { isLiteral }

/** The value of a variable; undefined when it is not set. */
export type Environment = (name: string) => string | undefined

/**
 * What `word` means: variables replaced, quotes and escapes processed. '' together with an error. Differs: BuildKit loses
 * a byte order mark that a word begins with.
 */
export function expandWord(word: Word, env: Environment, options: ExpandOptions = {}): Outcome<string> {
  if (isLiteral(word.text)) return { value: word.text, diagnostics: [] }
  return expand(word, '', { env, options, quotes: true }, (expansion, parts) => expansion.text(parts))
}

/** The words that `word` means: split at blanks that no quotes protect, also at those that variables brought. */
export function expandWords(
  word: Word,
  env: Environment,
  options: ExpandOptions = {},
): Outcome<readonly string[]> {
  return expand<readonly string[]>(word, [], { env, options, quotes: true }, (expansion, parts) =>
    expansion.words(parts),
  )
}

/** The body of a here-document with its variables replaced (none if its delimiter is quoted); quotes are text, `\` escapes. */
export function expandHeredoc(
  heredoc: Heredoc,
  env: Environment,
  options: Omit<ExpandOptions, 'escape'> = {},
): Outcome<string> {
  if (!heredoc.expand) return { value: heredoc.content, diagnostics: [] }
  const word = { text: heredoc.content, span: heredoc.contentSpan }
  const style = { env, options: { ...options, escape: '\\' }, quotes: false }
  return expand(word, '', style, (expansion, parts) => expansion.text(parts))
}

interface Style {
  readonly env: Environment
  readonly options: ExpandOptions
  readonly quotes: boolean
}

function expand<T>(
  word: Word,
  nothing: T,
  { env, options, quotes }: Style,
  evaluate: (expansion: Expansion, parts: readonly WordPart[]) => T,
): Outcome<T> {
  const escapeBy: EscapeCharacter = options.escape === '`' ? '`' : '\\'
  const fail = (code: string, text: string, span: Span): Outcome<T> => ({
    value: nothing,
    diagnostics: [problem(code, word, text, span)],
  })
  const parts = parseWord(word.text, { escape: escapeBy, quotes })
  if (parts === undefined) {
    return fail('ExpansionTooDeep', `substitutions nest deeper than ${deepestWord}`, word.span)
  }
  const fault = faultOf(parts)
  if (fault !== undefined) return fail('InvalidSubstitution', fault.text, spanWithin(word, fault))
  const variables: Variables = {
    get: (name, place, operator) => {
      const value = env(name)
      const use: VariableUse = { name, defined: value !== undefined, span: spanWithin(word, place) }
      options.onUse?.(operator === undefined ? use : { ...use, operator })
      return value
    },
  }
  try {
    return {
      value: evaluate(new Expansion(variables, escapeBy, maxExpansion + word.text.length), parts),
      diagnostics: [],
    }
  } catch (thrown) {
    if (!(thrown instanceof ExpansionFault)) throw thrown
    return fail(thrown.code, thrown.message, spanWithin(word, thrown.place))
  }
}

function problem(code: string, word: Word, text: string, span: Span): Diagnostic {
  const shown = word.text.length > 100 ? `${word.text.slice(0, 100)}…` : word.text
  const message = `failed to process ${JSON.stringify(shown)}: ${text}`
  const hint = hints.find(([pattern]) => pattern.test(text))?.[1]
  return { code, severity: 'error', message, span, ...(hint === undefined ? {} : { hint }) }
}

/** What to write instead, by what is wrong. */
const hints: readonly (readonly [RegExp, string])[] = [
  [/matching single-quote$/, "close the ', or write it as \\'"],
  [/matching double-quote$/, 'close the ", or write it as \\"'],
  [/missing '\}'$/, 'close it with }'],
  [/bad substitution$/, 'name a variable between the braces'],
  [/^unsupported modifier/, 'behind the name may stand :- :+ :? - + ? # ## % %% / or //'],
  [/missing '\/'/, 'the replacement stands behind a second /'],
]

/** A place in a word's text as a place in the file, exact when the word stands there character by character. */
function spanWithin({ text, span }: Word, { start, end }: { start: number; end: number }): Span {
  if (span.end - span.start !== text.length) return span
  return { file: span.file, start: span.start + start, end: span.start + end }
}
