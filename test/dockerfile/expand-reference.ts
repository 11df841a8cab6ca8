// What a word with variables means, read character by character straight from the written rules (quotes, escapes,
// `$name`, `${name…}`), slowly and without any code of the real thing. For comparing only.

/** The meaning of a word, also cut into words; undefined when the word is a mistake. */
export interface Meaning {
  readonly text: string
  readonly words: readonly string[]
}

class Refused extends Error {}

/** `text`: quotes and escapes are gone. `pattern`, `replacement`: escapes stay, for who reads the result. */
type Kind = 'text' | 'pattern' | 'replacement'

/** A stretch of a result; blanks within one that `splits` separate words. */
interface Piece {
  readonly text: string
  readonly splits: boolean
}

/** What `text` means where `env` holds the variables; `quotes` false is the body of a here-document. */
export function meaningOf(
  text: string,
  env: Readonly<Record<string, string>>,
  escapeBy: string,
  quotes: boolean,
): Meaning | undefined {
  try {
    const pieces = new Reader(text, env, escapeBy, quotes).pieces('', 'text')
    return { text: joined(pieces), words: wordsOf(pieces) }
  } catch (thrown) {
    if (thrown instanceof Refused) return undefined
    throw thrown
  }
}

function joined(pieces: readonly Piece[]): string {
  return pieces.map((piece) => piece.text).join('')
}

function wordsOf(pieces: readonly Piece[]): string[] {
  const words = ['']
  for (const { text, splits } of pieces) {
    for (const character of text) {
      if (splits && /\s/.test(character)) words.push('')
      else words.push((words.pop() ?? '') + character)
    }
  }
  return words.filter((word) => word !== '')
}

class Reader {
  #rest: string
  readonly #env: Readonly<Record<string, string>>
  readonly #escape: string
  readonly #quotes: boolean

  constructor(text: string, env: Readonly<Record<string, string>>, escapeBy: string, quotes: boolean) {
    this.#rest = text
    this.#env = env
    this.#escape = escapeBy
    this.#quotes = quotes
  }

  /** Everything up to `stop` ('' is the end), which is taken away. */
  pieces(stop: string, kind: Kind): Piece[] {
    const pieces: Piece[] = []
    while (this.#rest !== '') {
      const next = this.#take(1)
      if (next === stop) return pieces
      if (next === "'" && this.#quotes) pieces.push({ text: this.#single(kind), splits: false })
      else if (next === '"' && this.#quotes) pieces.push({ text: this.#double(kind), splits: false })
      else if (next === '$') pieces.push({ text: this.#dollar(), splits: true })
      else if (next === this.#escape) pieces.push({ text: this.#escaped(kind), splits: false })
      else if (next === '<' && this.#rest.startsWith('<'))
        pieces.push({ text: this.#arrows(), splits: false })
      else pieces.push({ text: next, splits: true })
    }
    if (stop !== '') throw new Refused(`no ${stop}`)
    return pieces
  }

  #take(count: number): string {
    const taken = this.#rest.slice(0, count)
    this.#rest = this.#rest.slice(count)
    return taken
  }

  #escaped(kind: Kind): string {
    if (this.#rest === '') return ''
    return (kind === 'text' ? '' : this.#escape) + this.#take(1)
  }

  /** `<<` and the blanks behind it belong together: a here-document's operator. */
  #arrows(): string {
    const blanks = /^<[\t\r ]*/.exec(this.#rest)?.[0] ?? ''
    return `<${this.#take(blanks.length)}`
  }

  /** In single quotes everything is plain. */
  #single(kind: Kind): string {
    const end = this.#rest.indexOf("'")
    if (end === -1) throw new Refused('single quote')
    const inside = this.#take(end + 1).slice(0, -1)
    return kind === 'pattern' ? inside.split(this.#escape).join(this.#escape + this.#escape) : inside
  }

  /** In double quotes there are variables, and escapes of `"`, `$` and the escape itself. */
  #double(kind: Kind): string {
    let out = ''
    while (this.#rest !== '') {
      const next = this.#take(1)
      if (next === '"') return out
      if (next === '$') {
        out += this.#dollar()
      } else if (next === this.#escape && this.#rest !== '') {
        const isSpecial = ['"', '$', this.#escape].includes(this.#rest.slice(0, 1))
        if (isSpecial) out += (kind === 'text' ? '' : this.#escape) + this.#take(1)
        else out += kind === 'text' ? next : next + next
      } else {
        out += next
      }
    }
    throw new Refused('double quote')
  }

  #name(): string {
    const name = /^(?:\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*)/u.exec(this.#rest)?.[0] ?? ''
    return this.#take(name.length)
  }

  #valueOf(name: string): string | undefined {
    return Object.hasOwn(this.#env, name) ? this.#env[name] : undefined
  }

  #dollar(): string {
    if (this.#rest.startsWith('{')) {
      this.#take(1)
      return this.#braces()
    }
    const name = this.#name()
    return name === '' ? '$' : (this.#valueOf(name) ?? '')
  }

  #braces(): string {
    if (/^[{}:]/.test(this.#rest)) throw new Refused('bad substitution')
    const value = this.#valueOf(this.#name())
    const operator = /^(?:\}|:?[-+?]|##|#|%%|%|\/\/|\/)/.exec(this.#rest)?.[0]
    if (operator === undefined) throw new Refused('no such operator')
    this.#take(operator.length)
    if (operator === '}') return value ?? ''
    if (operator.startsWith('/')) {
      const pattern = elementsOf(joined(this.pieces('/', 'pattern')))
      const by = joined(this.pieces('}', 'replacement'))
      return replaced(value ?? '', pattern, by, operator === '//')
    }
    if (/^[#%]/.test(operator)) {
      const pattern = elementsOf(joined(this.pieces('}', 'pattern')))
      return trimmed(value ?? '', pattern, operator)
    }
    const word = joined(this.pieces('}', 'text'))
    const isSet = value !== undefined && !(operator.startsWith(':') && value === '')
    if (operator.endsWith('+')) return isSet ? word : ''
    if (isSet) return value
    if (operator.endsWith('-')) return word
    throw new Refused('required')
  }
}

/** An element of a pattern: `*` and `?` alone, or `=` and the character meant. */
function elementsOf(pattern: string): string[] {
  const elements: string[] = []
  for (let rest = pattern; rest !== ''; ) {
    const [, protectedBy, character = ''] = /^(\\?)(.|$)/su.exec(rest) ?? []
    const isEscape = protectedBy === '\\'
    if (isEscape && !/^[*?\\}/]$/.test(character)) throw new Refused('invalid escape')
    elements.push(!isEscape && /[*?]/.test(character) ? character : `=${character}`)
    rest = rest.slice((isEscape ? 1 : 0) + character.length)
  }
  return elements
}

/** Tries every way, star by star. A line end is matched by itself alone. */
function matches([element, ...others]: readonly string[], text: string): boolean {
  if (element === undefined) return text === ''
  const [character] = text
  if (element === '*') {
    if (matches(others, text)) return true
    return (
      character !== undefined &&
      character !== '\n' &&
      matches([element, ...others], text.slice(character.length))
    )
  }
  if (character === undefined) return false
  const isSame = element === '?' ? character !== '\n' : element === `=${character}`
  return isSame && matches(others, text.slice(character.length))
}

function trimmed(value: string, pattern: readonly string[], operator: string): string {
  const characters = [...value]
  const isPrefix = operator.startsWith('#')
  const cuts = characters.concat('').map((_, n) => {
    const at = isPrefix ? n : characters.length - n
    return [characters.slice(0, at).join(''), characters.slice(at).join('')] as const
  })
  const fitting = cuts.filter(([before, after]) => matches(pattern, isPrefix ? before : after))
  const cut = operator.length === 2 ? fitting.at(-1) : fitting[0]
  return cut === undefined ? value : isPrefix ? cut[1] : cut[0]
}

function replaced(value: string, pattern: readonly string[], by: string, all: boolean): string {
  const characters = [...value]
  let out = ''
  let isDone = false
  let lastEnd = -1
  for (let at = 0; at <= characters.length; ) {
    let end = -1
    for (let to = at; to <= characters.length && !isDone; to++) {
      if (matches(pattern, characters.slice(at, to).join(''))) end = to
    }
    const isMatch = end > at || (end === at && at !== lastEnd)
    if (isMatch) {
      out += by
      lastEnd = end
      isDone = !all
    }
    if (end > at) at = end
    else out += characters[at++] ?? ''
  }
  return out
}
