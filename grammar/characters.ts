// Character classes as Go's `unicode` package and BuildKit's parser define them, for use inside `[...]`.

/** Go's `unicode.IsSpace`: it has U+0085 where JavaScript's `\s` has U+FEFF. */
export const spaceClass = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

/** What BuildKit splits unquoted words at: ASCII blanks, never a line end. */
export const blankClass = '\\t\\v\\f\\r '

/** Any character at all. chevrotain's lexer optimiser reads `[\s\S]` as blanks only, so it must not be spelled that way. */
export const anyClass = '[^]'

/** The two characters that `# escape=` may name. */
export type EscapeCharacter = '\\' | '`'

/** The escape character as it is written inside a regular expression, in or out of a class. */
export function escapeClass(escapeBy: EscapeCharacter): string {
  return escapeBy === '\\' ? '\\\\' : '`'
}
