// The grammar of a word with variables: quotes, escapes, `$name`, `${name}` and `${name<operator>word}`.
// It accepts any text; the first thing that is wrong is found in word-fault.ts. Nothing is expanded here.
import { createToken, EmbeddedActionsParser, type IToken, Lexer, type TokenType } from 'chevrotain'
import { anyClass, type EscapeCharacter, escapeClass } from './characters.ts'
import { lazilyFor } from './lazily.ts'

/** A part of a word, with its offsets in the text. `Double.parts` and the operands are words themselves. */
export type WordPart = Literal | Escape | Single | Double | Variable | Substitution
/** Offsets in the text of the word. */
export interface At {
  readonly start: number
  readonly end: number
}
/** Text that stands for itself. `glued`: `<<` and the blanks behind it, which do not end a word. */
export interface Literal extends At {
  readonly kind: 'literal'
  readonly text: string
  readonly glued?: true
}
/** An escape character and what it protects; `text` is '' at the end of the input. */
export interface Escape extends At {
  readonly kind: 'escape'
  readonly text: string
}
export interface Single extends At {
  readonly kind: 'single'
  readonly text: string
  readonly closed: boolean
}
export interface Double extends At {
  readonly kind: 'double'
  readonly parts: readonly WordPart[]
  readonly closed: boolean
}
export interface Variable extends At {
  readonly kind: 'variable'
  readonly name: string
}
/** `${name…}`. `operator` is as written (`:-`, `##`, `//`, or one that does not exist). */
export interface Substitution extends At {
  readonly kind: 'substitution'
  readonly name: string
  readonly operator?: string
  /** What stands behind the operator: default, message or pattern. */
  readonly operand: readonly WordPart[]
  /** Behind the second slash of `${name/pattern/replacement}`; absent when that slash is. */
  readonly replacement?: readonly WordPart[]
  readonly closed: boolean
}

/** The tree of a word, or undefined when it nests deeper than `deepestWord`. */
export type WordTree = readonly WordPart[] | undefined

/** How deep substitutions may nest: parsing and expanding recurse, and no real file comes near. */
export const deepestWord = 100

/** The end of the variable name at `at`: digits, one special parameter, or a letter or `_` and what follows. */
function endOfName(text: string, at: number): number {
  // Nearly all names are ASCII: making the pattern's classes of all letters takes longer than reading many files.
  const belongs = isDigit(text.charCodeAt(at)) ? isDigit : isNameCode
  let end = at
  while (belongs(text.charCodeAt(end))) end++
  if (end === at && '@*#?-$!'.includes(text.charAt(at))) return Math.min(at + 1, text.length)
  if (!(text.charCodeAt(end) > 0x7f)) return end
  const name = /[\p{Nd}]+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy
  name.lastIndex = at
  return name.test(text) ? name.lastIndex : at
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isNameCode(code: number): boolean {
  return isDigit(code) || (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f
}

function defineTokens(escapeBy: EscapeCharacter, quotes: boolean) {
  const e = escapeClass(escapeBy)
  const q = quotes ? `'"` : ''
  const one = (text: string): [string] => [text]
  const t = {
    Plain: createToken({ name: 'Plain', pattern: new RegExp(`[^$<}/${q}${e}]+`) }),
    Other: createToken({ name: 'Other', pattern: new RegExp(anyClass) }),
    Glued: createToken({ name: 'Glued', pattern: /<<[\t\r ]*/ }),
    Escaped: createToken({ name: 'Escaped', pattern: new RegExp(`${e}${anyClass}?`) }),
    SingleQuoted: createToken({ name: 'SingleQuoted', pattern: /'[^']*'?/ }),
    DoubleOpen: createToken({ name: 'DoubleOpen', pattern: /"/, push_mode: 'double' }),
    DoubleClose: createToken({ name: 'DoubleClose', pattern: /"/, pop_mode: true }),
    DoublePlain: createToken({ name: 'DoublePlain', pattern: new RegExp(`[^$"${e}]+`) }),
    DoubleEscaped: createToken({
      name: 'DoubleEscaped',
      pattern: new RegExp(`${e}(?:["$${e}]|(?!${anyClass}))`),
    }),
    Name: createToken({
      name: 'Name',
      start_chars_hint: ['$'],
      line_breaks: false,
      pattern: (text: string, at: number) => {
        const end = text[at] === '$' ? endOfName(text, at + 1) : at
        return end > at + 1 ? one(text.slice(at, end)) : null
      },
    }),
    BraceOpen: createToken({
      name: 'BraceOpen',
      start_chars_hint: ['$'],
      line_breaks: false,
      push_mode: 'operator',
      pattern: (text: string, at: number) =>
        text.startsWith('${', at) ? one(text.slice(at, endOfName(text, at + 2))) : null,
    }),
    BraceClose: createToken({ name: 'BraceClose', pattern: /\}/, pop_mode: true }),
    Operator: createToken({
      name: 'Operator',
      pattern: /:[-+?]|##?|%%?|[-+?]/,
      pop_mode: true,
      push_mode: 'operand',
    }),
    Replace: createToken({ name: 'Replace', pattern: /\/\/?/, pop_mode: true, push_mode: 'pattern' }),
    Unknown: createToken({
      name: 'Unknown',
      pattern: /:[^}]|[\ud800-\udbff][\udc00-\udfff]|[^}]/,
      pop_mode: true,
      push_mode: 'operand',
      line_breaks: true,
    }),
    PatternEnd: createToken({ name: 'PatternEnd', pattern: /\//, pop_mode: true, push_mode: 'operand' }),
  }
  const quoting = quotes ? [t.SingleQuoted, t.DoubleOpen] : []
  const word = [t.Name, t.BraceOpen, t.Escaped, ...quoting, t.Glued, t.Plain, t.Other]
  const modes: Record<string, TokenType[]> = {
    word,
    double: [t.DoubleClose, t.Name, t.BraceOpen, t.DoubleEscaped, t.DoublePlain, t.Other],
    operator: [t.BraceClose, t.Operator, t.Replace, t.Unknown],
    operand: [t.BraceClose, ...word],
    pattern: [t.PatternEnd, ...word],
  }
  return { types: t, modes }
}
type Tokens = ReturnType<typeof defineTokens>

class WordParser extends EmbeddedActionsParser {
  readonly word: (this: void) => readonly WordPart[]

  constructor({ types: t, modes }: Tokens, skipValidations: boolean) {
    super({ modes, defaultMode: 'word' }, { skipValidations, maxLookahead: 1 })

    const literal = (token: IToken): WordPart => {
      const { start, end } = placeOf(token)
      return { kind: 'literal', text: token.image, start, end }
    }
    const escaped = (token: IToken): WordPart => {
      const { start, end } = placeOf(token)
      return { kind: 'escape', text: token.image.slice(1), start, end }
    }
    const variable = (token: IToken): WordPart => {
      const { start, end } = placeOf(token)
      return { kind: 'variable', name: token.image.slice(1), start, end }
    }

    const double = this.RULE('double', (): WordPart => {
      const parts: WordPart[] = []
      const open = this.CONSUME(t.DoubleOpen)
      this.MANY(() => {
        parts.push(
          this.OR<WordPart>([
            { ALT: () => literal(this.CONSUME(t.DoublePlain)) },
            { ALT: () => literal(this.CONSUME(t.Other)) },
            { ALT: () => escaped(this.CONSUME(t.DoubleEscaped)) },
            { ALT: () => variable(this.CONSUME(t.Name)) },
            { ALT: () => this.SUBRULE(substitution) },
          ]),
        )
      })
      const close = this.OPTION(() => this.CONSUME(t.DoubleClose))
      return this.ACTION(() => ({
        kind: 'double',
        parts,
        closed: close !== undefined,
        start: open.startOffset,
        end: close === undefined ? (parts.at(-1)?.end ?? open.startOffset + 1) : close.startOffset + 1,
      }))
    })

    const parts = this.RULE('parts', (): readonly WordPart[] => {
      const parts: WordPart[] = []
      this.MANY(() => {
        parts.push(
          this.OR<WordPart>([
            { ALT: () => literal(this.CONSUME(t.Plain)) },
            { ALT: () => literal(this.CONSUME(t.Other)) },
            { ALT: () => ({ ...literal(this.CONSUME(t.Glued)), glued: true }) as WordPart },
            { ALT: () => escaped(this.CONSUME(t.Escaped)) },
            { ALT: () => singleOf(this.CONSUME(t.SingleQuoted)) },
            { ALT: () => this.SUBRULE(double) },
            { ALT: () => variable(this.CONSUME(t.Name)) },
            { ALT: () => this.SUBRULE1(substitution) },
          ]),
        )
      })
      return parts
    })

    const substitution = this.RULE('substitution', (): WordPart => {
      const open = this.CONSUME(t.BraceOpen)
      const modifier = this.OPTION(() =>
        this.OR([
          {
            ALT: () => {
              const operator = this.OR1([
                { ALT: () => this.CONSUME(t.Operator) },
                { ALT: () => this.CONSUME(t.Unknown) },
              ])
              return { operator, operand: this.SUBRULE(parts) }
            },
          },
          {
            ALT: () => {
              const operator = this.CONSUME(t.Replace)
              const operand = this.SUBRULE1(parts)
              const rest = this.OPTION1(() => {
                const divider = this.CONSUME(t.PatternEnd)
                return { divider, replacement: this.SUBRULE2(parts) }
              })
              return { operator, operand, ...rest }
            },
          },
        ]),
      )
      const close = this.OPTION2(() => this.CONSUME(t.BraceClose))
      return this.ACTION(() => substitutionOf(open, modifier, close))
    })

    this.word = parts
    this.performSelfAnalysis()
  }
}

function placeOf(token: IToken): At {
  return { start: token.startOffset, end: token.startOffset + token.image.length }
}

function singleOf(token: IToken): WordPart {
  const { image } = token
  const closed = image.length > 1 && image.endsWith("'")
  return { kind: 'single', text: image.slice(1, closed ? -1 : undefined), closed, ...placeOf(token) }
}

interface Modifier {
  readonly operator: IToken
  readonly operand: readonly WordPart[]
  /** The second slash. */
  readonly divider?: IToken
  readonly replacement?: readonly WordPart[]
}

function substitutionOf(open: IToken, modifier: Modifier | undefined, close: IToken | undefined): WordPart {
  const parts = modifier?.replacement?.at(-1)?.end
  const divider = modifier?.divider === undefined ? undefined : placeOf(modifier.divider).end
  const last = parts ?? divider ?? modifier?.operand.at(-1)?.end
  const opened = modifier === undefined ? placeOf(open).end : placeOf(modifier.operator).end
  return {
    kind: 'substitution',
    name: open.image.slice(2),
    ...(modifier === undefined ? {} : { operator: modifier.operator.image }),
    operand: modifier?.operand ?? [],
    ...(modifier?.replacement === undefined ? {} : { replacement: modifier.replacement }),
    closed: close !== undefined,
    start: open.startOffset,
    end: close === undefined ? (last ?? opened) : close.startOffset + 1,
  }
}

/** How a word is read: its escape character, and whether quotes are quotes (in here-documents they are text). */
export interface WordStyle {
  readonly escape: EscapeCharacter
  readonly quotes: boolean
}

/** Builds the grammar; `validate` also checks it for ambiguities and empty tokens (slow: for tests). */
export function makeWordGrammar(style: WordStyle, validate = false): (text: string) => WordTree {
  const tokens = defineTokens(style.escape, style.quotes)
  const lexer = new Lexer(
    { modes: tokens.modes, defaultMode: 'word' },
    { positionTracking: 'onlyOffset', skipValidations: !validate },
  )
  const parser = new WordParser(tokens, !validate)
  return (text) => {
    const lexed = lexer.tokenize(text).tokens
    if (depthOf(lexed, tokens) > deepestWord) return undefined
    parser.input = lexed
    return parser.word()
  }
}

/** How many short words are remembered with their trees; a file says `$VERSION` again and again. */
const remembered = 512
const shortWord = 128

function remembering(parse: (text: string) => WordTree): (text: string) => WordTree {
  const trees = new Map<string, WordTree>()
  return (text) => {
    const known = trees.get(text)
    if (known !== undefined) return known
    const tree = parse(text)
    if (text.length <= shortWord && tree !== undefined) {
      if (trees.size === remembered) trees.clear()
      trees.set(text, tree)
    }
    return tree
  }
}

function depthOf(tokens: readonly IToken[], { types }: Tokens): number {
  let depth = 0
  let deepest = 0
  for (const { tokenType } of tokens) {
    if (tokenType === types.BraceOpen) deepest = Math.max(deepest, ++depth)
    else if (tokenType === types.BraceClose) depth--
  }
  return deepest
}

const grammarOf = lazilyFor((key: `${EscapeCharacter}${boolean}`) =>
  remembering(makeWordGrammar({ escape: key.startsWith('`') ? '`' : '\\', quotes: key.endsWith('true') })),
)

/** Whether `text` is nothing but literal, in any style: most words are. */
export function isLiteral(text: string): boolean {
  return !/[$'"<\\`]/.test(text)
}

// Patterns that are asked for many words of a file stand outside of functions: inside each call would make one.
const plainlyQuoted = /^"(?:[^$"\\`]|\$[A-Za-z_]\w*(?![\w\u0080-\uffff])|\$\{[A-Za-z_]\w*\})*"$/
const plainUse = /\$(?:(\w+)|\{(\w+)\})/g

/** The tree of a text in double quotes that are all of it, with nothing but literal and plain uses of variables within; in any style. */
function plainlyQuotedTree(text: string): WordTree {
  const parts: WordPart[] = []
  const end = text.length - 1
  let at = 1
  const literalTo = (to: number): void => {
    if (at < to) parts.push({ kind: 'literal', text: text.slice(at, to), start: at, end: to })
  }
  if (text.includes('$')) {
    for (const { 0: whole, 1: bare, 2: name = '', index: start } of text.matchAll(plainUse)) {
      literalTo(start)
      at = start + whole.length
      if (bare !== undefined) parts.push({ kind: 'variable', name: bare, start, end: at })
      else parts.push({ kind: 'substitution', name, operand: [], closed: true, start, end: at })
    }
  }
  literalTo(end)
  return [{ kind: 'double', parts, closed: true, start: 0, end: end + 1 }]
}

/** The tree of `text`. The grammar is built at its first use. */
export function parseWord(text: string, style: WordStyle): WordTree {
  if (isLiteral(text)) {
    return text === '' ? [] : [{ kind: 'literal', text, start: 0, end: text.length }]
  }
  if (style.quotes && plainlyQuoted.test(text)) return plainlyQuotedTree(text)
  return grammarOf(`${style.escape}${style.quotes}`)(text)
}
