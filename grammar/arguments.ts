// The grammar of what follows an instruction's name: builder flags, JSON arrays, quoted words, plain words.
// Input is logical text: continuations, comments and here-document bodies are already taken out.
// Every rule accepts any text (what is wrong is left to the caller, who has better words for it than a parser).
import { EmbeddedActionsParser, type IToken, Lexer, type TokenType } from 'chevrotain'
import { type ArgumentTokens, defineTokens, modesOf } from './argument-tokens.ts'
import { blankClass, type EscapeCharacter, escapeClass, spaceClass } from './characters.ts'
import { lazilyFor } from './lazily.ts'

/** Text between two offsets of the input; `text` is what it means (quotes or escapes may be gone). */
export interface Piece {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** A piece that knows where each of its characters stands. */
export interface PlacedPiece extends Piece {
  /** The input's offset of every character of `text`; absent when they stand side by side from `start`. */
  readonly places?: readonly number[]
}

/** `--name=value` with quotes and escapes processed; `value` is what stands behind the first `=`, if there is one. */
export interface FlagText {
  readonly name: string
  readonly value?: PlacedPiece
  readonly start: number
  readonly end: number
}

/** The flags in front, and where the rest of the text begins (blanks skipped, `--` skipped). */
export interface FlagsAndRest {
  readonly flags: readonly FlagText[]
  readonly rest: number
}

/** An element of a JSON array: a string (decoded) or anything else. */
export interface JsonElement extends Piece {
  readonly isString: boolean
}

/** `image`, or `image AS name`; undefined when the words are neither. */
export interface FromText {
  readonly image: Piece
  readonly as?: Piece
  readonly name?: Piece
}

/** The text without escape characters, and where what is left stood: each stands for the character behind it, one at the very end for nothing. */
function withoutEscapes(
  text: string,
  escapeBy: EscapeCharacter,
): { readonly text: string; readonly offsets: readonly number[] } {
  const offsets: number[] = []
  for (let at = 0; at < text.length; at++) {
    if (text[at] === escapeBy) at++
    if (at < text.length) offsets.push(at)
  }
  return { text: offsets.map((at) => text[at]).join(''), offsets }
}

class ArgumentsParser extends EmbeddedActionsParser {
  readonly #types: ArgumentTokens['types']
  readonly #escape: EscapeCharacter
  readonly flags: (this: void) => FlagsAndRest
  readonly words: (this: void) => readonly Piece[]
  readonly json: (this: void) => readonly JsonElement[]

  constructor(tokens: ArgumentTokens, escapeBy: EscapeCharacter, skipValidations: boolean) {
    super({ modes: modesOf(tokens), defaultMode: 'words' }, { skipValidations, maxLookahead: 1 })
    this.#types = tokens.types
    this.#escape = escapeBy
    const t = tokens.types

    const flag = this.RULE('flag', (): FlagText => {
      const pieces: Piece[] = []
      const open = this.CONSUME(t.FlagOpen)
      this.MANY(() => {
        const token = this.OR([
          { ALT: () => this.CONSUME(t.FlagPlain) },
          { ALT: () => this.CONSUME(t.FlagQuoted) },
          { ALT: () => this.CONSUME(t.FlagEscape) },
        ])
        pieces.push(this.ACTION(() => this.#flagPiece(token)))
      })
      this.OPTION(() => this.CONSUME(t.FlagBlank))
      return this.ACTION(() => joinFlag(open, pieces))
    })

    this.flags = this.RULE('flags', (): FlagsAndRest => {
      const flags: FlagText[] = []
      this.MANY(() => {
        flags.push(this.SUBRULE(flag))
      })
      this.OPTION(() => this.CONSUME(t.FlagsEnd))
      const rest = this.OPTION1(() => this.CONSUME(t.Rest))
      return { flags, rest: rest?.startOffset ?? -1 }
    })

    this.words = this.RULE('words', (): readonly Piece[] => {
      const words: Piece[] = []
      let word: { text: string[]; start: number; end: number } | undefined
      const finish = (): void => {
        const text = word?.text.join('') ?? ''
        if (word !== undefined && text !== '') words.push({ text, start: word.start, end: word.end })
        word = undefined
      }
      this.MANY(() => {
        const token = this.OR([
          { ALT: () => this.CONSUME(t.WordPlain) },
          { ALT: () => this.CONSUME(t.WordSingle) },
          { ALT: () => this.CONSUME(t.WordDouble) },
          { ALT: () => this.CONSUME(t.WordEscape) },
          { ALT: () => this.CONSUME(t.WordBlank) },
        ])
        this.ACTION(() => {
          if (token.tokenType === t.WordBlank) return finish()
          word ??= { text: [], start: token.startOffset, end: 0 }
          word.text.push(this.#wordText(token))
          word.end = token.startOffset + token.image.length
        })
      })
      this.ACTION(finish)
      return words
    })

    const element = this.RULE('element', (): JsonElement => {
      let first: IToken | undefined
      let last: IToken | undefined
      this.AT_LEAST_ONE(() => {
        last = this.OR([
          { ALT: () => this.CONSUME(t.JsonString) },
          { ALT: () => this.CONSUME(t.JsonScalar) },
          { ALT: () => this.CONSUME(t.NestedOpen) },
          { ALT: () => this.CONSUME(t.NestedClose) },
          { ALT: () => this.CONSUME(t.NestedText) },
        ])
        first ??= last
      })
      return this.ACTION(() => elementOf(first as IToken, last as IToken, t.JsonString))
    })

    this.json = this.RULE('json', (): readonly JsonElement[] => {
      const elements: JsonElement[] = []
      this.CONSUME(t.JsonOpen)
      this.MANY_SEP({
        SEP: t.JsonComma,
        DEF: () => {
          elements.push(this.SUBRULE(element))
        },
      })
      this.CONSUME(t.JsonClose)
      return elements
    })

    this.performSelfAnalysis()
  }

  #flagPiece(token: IToken): PlacedPiece {
    const { image, startOffset: start } = token
    const end = start + image.length
    if (token.tokenType === this.#types.FlagPlain) return { text: image, start, end }
    const inside =
      token.tokenType === this.#types.FlagEscape ? image.slice(1) : withoutQuotes(image, this.#escape)
    const at = start + 1
    if (token.tokenType === this.#types.FlagEscape) return { text: inside, start, end, places: [at] }
    const { text, offsets } = withoutEscapes(inside, this.#escape)
    return { text, start, end, places: offsets.map((offset) => at + offset) }
  }

  /** Words keep quotes and escapes for the expansion; only an escape that has nothing to escape goes. */
  #wordText(token: IToken): string {
    const { image } = token
    if (token.tokenType === this.#types.WordEscape && image.length === 1) return ''
    if (token.tokenType === this.#types.WordDouble && endsInEscape(image, this.#escape))
      return image.slice(0, -1)
    return image
  }
}

/** Whether a quoted token stops at the end of the text right behind an unescaped escape character. */
function endsInEscape(image: string, escapeBy: EscapeCharacter): boolean {
  if (image.at(-1) !== escapeBy) return false
  let at = 1
  while (at < image.length - 1) at += image[at] === escapeBy ? 2 : 1
  return at === image.length - 1
}

/** What stands between the quotes; the closing one is absent at the end of the text. */
function withoutQuotes(image: string, escapeBy: EscapeCharacter): string {
  const quote = image[0]
  let at = 1
  while (at < image.length && image[at] !== quote) at += image[at] === escapeBy ? 2 : 1
  return image.slice(1, Math.min(at, image.length))
}

function joinFlag(open: IToken, pieces: readonly PlacedPiece[]): FlagText {
  const start = open.startOffset
  const end = pieces.at(-1)?.end ?? start + 2
  let name = ''
  for (const [index, piece] of pieces.entries()) {
    const equals = piece.text.indexOf('=')
    if (equals === -1) {
      name += piece.text
      continue
    }
    name += piece.text.slice(0, equals)
    const rest = pieces.slice(index + 1)
    const value = {
      text: [piece.text.slice(equals + 1), ...rest.map((p) => p.text)].join(''),
      start: piece.places === undefined ? piece.start + equals + 1 : piece.start,
      end,
      ...(piece.places === undefined && rest.length === 0
        ? {}
        : { places: [...placesOf(piece).slice(equals + 1), ...rest.flatMap(placesOf)] }),
    }
    return { name, value, start, end }
  }
  return { name, start, end }
}

function placesOf({ text, start, places }: PlacedPiece): readonly number[] {
  return places ?? Array.from({ length: text.length }, (_, index) => start + index)
}

function elementOf(first: IToken, last: IToken, string: TokenType): JsonElement {
  const start = first.startOffset
  const end = last.startOffset + last.image.length
  const isString = first === last && first.tokenType === string
  return { text: isString ? wellFormed(JSON.parse(first.image) as string) : '', start, end, isString }
}

/** As in Go, halves of characters that JSON escapes made are U+FFFD: no file or process could hold them. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}

/** The rules as functions over text. Each ignores what the grammar cannot take behind its last token. */
export interface ArgumentsGrammar {
  flags(text: string): FlagsAndRest
  /** Words at Unicode spaces, where quotes and the escape character protect; both stay in the text. */
  words(text: string): readonly Piece[]
  /** Words at ASCII blanks; quotes mean nothing. */
  list(text: string): readonly Piece[]
  from(text: string): FromText | undefined
  /** The elements of a text that `JSON.parse` has found to be an array. */
  json(text: string): readonly JsonElement[]
}

/** Builds the grammar; `validate` also checks it for ambiguities and empty tokens (slow: for tests). */
export function makeArgumentsGrammar(escapeBy: EscapeCharacter, validate = false): ArgumentsGrammar {
  const tokens = defineTokens(escapeBy)
  const lexer = new Lexer(
    { modes: modesOf(tokens), defaultMode: 'words' },
    { positionTracking: 'onlyOffset', skipValidations: !validate },
  )
  const parser = new ArgumentsParser(tokens, escapeBy, !validate)
  const listWord = new RegExp(`[^${blankClass}]+`, 'g')
  // Nothing in a list means anything but blanks: no rule is needed.
  const list = (text: string): Piece[] =>
    Array.from(text.matchAll(listWord), ({ 0: word, index }) => ({
      text: word,
      start: index,
      end: index + word.length,
    }))
  const plainWord = new RegExp(`^[^${spaceClass}'"${escapeClass(escapeBy)}]+$`)
  const feed = (text: string, mode: string): void => {
    parser.input = lexer.tokenize(text, mode).tokens
  }
  return {
    flags: (text) => {
      feed(text, 'flags')
      const { flags, rest } = parser.flags()
      return { flags, rest: rest === -1 ? text.length : rest }
    },
    words: (text) => {
      if (plainWord.test(text)) return [{ text, start: 0, end: text.length }]
      feed(text, 'words')
      return parser.words()
    },
    list,
    from: (text) => {
      const [image, as, name, ...more] = list(text)
      if (image === undefined || more.length > 0) return undefined
      if (as === undefined) return { image }
      return name !== undefined && /^as$/i.test(as.text) ? { image, as, name } : undefined
    },
    json: (text) => {
      feed(text, 'json')
      return parser.json()
    },
  }
}

/** The flags of a text in which they have no quotes and no escapes, as most do; undefined where the grammar is needed. */
function plainFlags(text: string, flag: RegExp): FlagsAndRest | undefined {
  const flags: FlagText[] = []
  for (let start = 0; ; ) {
    const [whole = '', blanks = '', name, equals, value = ''] = flag.exec(text.slice(start)) ?? []
    start += blanks.length
    if (name === undefined) return text.startsWith('--', start) ? undefined : { flags, rest: start }
    const end = start - blanks.length + whole.length
    const place = { text: value, start: end - value.length, end }
    flags.push(equals === undefined ? { name, start, end } : { name, value: place, start, end })
    start = end
  }
}

/** The grammar for an escape character, built at its first use; what is plainly written is read without it. */
export const argumentsGrammar: (escapeBy: EscapeCharacter) => ArgumentsGrammar = lazilyFor((escapeBy) => {
  const grammar = makeArgumentsGrammar(escapeBy)
  const plain = `[^${blankClass}'"${escapeClass(escapeBy)}`
  const flag = new RegExp(
    `^([${blankClass}]*)(?:--(?=[^${blankClass}])(${plain}=]*)(?:(=)(${plain}]*))?(?![^${blankClass}]))?`,
  )
  const quoted = new RegExp(
    `([${spaceClass}]+)|(?:[^${spaceClass}'"${escapeClass(escapeBy)}]|'[^'${escapeClass(escapeBy)}]*'|"[^"${escapeClass(escapeBy)}]*")+`,
    'g',
  )
  return {
    ...grammar,
    flags: (text) => plainFlags(text, flag) ?? grammar.flags(text),
    words: (text) => plainWords(text, quoted) ?? grammar.words(text),
  }
})

/** The words of a text without escapes whose quotes are closed; undefined where the grammar is needed. */
function plainWords(text: string, quoted: RegExp): readonly Piece[] | undefined {
  const words: Piece[] = []
  let end = 0
  for (const { 0: word, 1: blanks, index } of text.matchAll(quoted)) {
    if (index !== end) return undefined
    end = index + word.length
    if (blanks === undefined) words.push({ text: word, start: index, end })
  }
  return end === text.length ? words : undefined
}
