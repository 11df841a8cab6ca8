// The tokens of what follows an instruction's name, and in which mode of the lexer each is looked for.
import { createToken, Lexer, type TokenType } from 'chevrotain'
import { anyClass, blankClass, type EscapeCharacter, escapeClass, spaceClass } from './characters.ts'

export interface ArgumentTokens {
  readonly modes: Readonly<Record<string, readonly TokenType[]>>
  readonly types: Readonly<Record<TokenName, TokenType>>
}
type TokenName =
  | 'FlagsBlank'
  | 'FlagsEnd'
  | 'FlagOpen'
  | 'Rest'
  | 'FlagBlank'
  | 'FlagQuoted'
  | 'FlagEscape'
  | 'FlagPlain'
  | 'WordBlank'
  | 'WordSingle'
  | 'WordDouble'
  | 'WordEscape'
  | 'WordPlain'
  | 'JsonBlank'
  | 'JsonOpen'
  | 'JsonClose'
  | 'JsonComma'
  | 'JsonString'
  | 'JsonScalar'
  | 'NestedOpen'
  | 'NestedClose'
  | 'NestedText'

/** The tokens where `escapeBy` is the escape character. */
export function defineTokens(escapeBy: EscapeCharacter): ArgumentTokens {
  const e = escapeClass(escapeBy)
  const types = {
    FlagsBlank: createToken({
      name: 'FlagsBlank',
      pattern: new RegExp(`[${blankClass}]+`),
      group: Lexer.SKIPPED,
    }),
    FlagsEnd: createToken({
      name: 'FlagsEnd',
      pattern: new RegExp(`--(?![^${blankClass}])`),
      push_mode: 'rest',
    }),
    FlagOpen: createToken({ name: 'FlagOpen', pattern: /--/, push_mode: 'flag' }),
    Rest: createToken({ name: 'Rest', pattern: new RegExp(`${anyClass}+`) }),
    FlagBlank: createToken({ name: 'FlagBlank', pattern: new RegExp(`[${blankClass}]+`), pop_mode: true }),
    FlagQuoted: quoted('FlagQuoted', ['"', "'"], escapeBy),
    FlagEscape: createToken({ name: 'FlagEscape', pattern: new RegExp(`${e}${anyClass}?`) }),
    FlagPlain: createToken({ name: 'FlagPlain', pattern: new RegExp(`[^${blankClass}'"${e}]+`) }),
    WordBlank: createToken({ name: 'WordBlank', pattern: new RegExp(`[${spaceClass}]+`) }),
    WordSingle: createToken({ name: 'WordSingle', pattern: /'[^']*'?/ }),
    WordDouble: quoted('WordDouble', ['"'], escapeBy),
    WordEscape: createToken({ name: 'WordEscape', pattern: new RegExp(`${e}${anyClass}?`) }),
    WordPlain: createToken({ name: 'WordPlain', pattern: new RegExp(`[^${spaceClass}'"${e}]+`) }),
    JsonBlank: createToken({ name: 'JsonBlank', pattern: /[ \t\r\n]+/, group: Lexer.SKIPPED }),
    JsonOpen: createToken({ name: 'JsonOpen', pattern: /\[/, push_mode: 'jsonItems' }),
    JsonClose: createToken({ name: 'JsonClose', pattern: /\]/ }),
    JsonComma: createToken({ name: 'JsonComma', pattern: /,/ }),
    JsonString: quoted('JsonString', ['"'], '\\'),
    JsonScalar: createToken({ name: 'JsonScalar', pattern: /[^\s",[\]{}]+/ }),
    NestedOpen: createToken({ name: 'NestedOpen', pattern: /[[{]/, push_mode: 'jsonNested' }),
    NestedClose: createToken({ name: 'NestedClose', pattern: /[\]}]/, pop_mode: true }),
    NestedText: createToken({ name: 'NestedText', pattern: /[^"[\]{}]+/ }),
  }
  const t = types
  return {
    types,
    modes: {
      flags: [t.FlagsBlank, t.FlagsEnd, t.FlagOpen, t.Rest],
      flag: [t.FlagBlank, t.FlagQuoted, t.FlagEscape, t.FlagPlain],
      rest: [t.FlagsBlank, t.Rest],
      words: [t.WordBlank, t.WordSingle, t.WordDouble, t.WordEscape, t.WordPlain],
      json: [t.JsonBlank, t.JsonOpen],
      jsonItems: [t.JsonBlank, t.JsonString, t.JsonComma, t.JsonClose, t.NestedOpen, t.JsonScalar],
      jsonNested: [t.JsonString, t.NestedOpen, t.NestedClose, t.NestedText],
    },
  }
}

/** A token from a quote to the same quote or the end of the text. By hand: a regular expression would keep a backtracking stack. */
function quoted(name: string, quotes: readonly string[], escapeBy: EscapeCharacter): TokenType {
  return createToken({
    name,
    line_breaks: true,
    start_chars_hint: [...quotes],
    pattern: (text: string, offset: number) => {
      const quote = text[offset]
      if (quote === undefined || !quotes.includes(quote)) return null
      let at = offset + 1
      while (at < text.length && text[at] !== quote) at += text[at] === escapeBy ? 2 : 1
      return [text.slice(offset, Math.min(at + 1, text.length))] as [string]
    },
  })
}

/** The modes as the library wants them: its own to change. */
export function modesOf({ modes }: ArgumentTokens): Record<string, TokenType[]> {
  return Object.fromEntries(Object.entries(modes).map(([name, types]) => [name, [...types]]))
}
