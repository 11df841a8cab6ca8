// Go's regular expressions (regexp/syntax with its Perl flags), as far as an ignore pattern can make them: literals,
// escapes, classes, repeats, alternatives, and the one group `(.*/)?`. How they match is in go-regexp.ts.
import { perlClass, posixClass, type RuneTest, unicodeClass } from './go-regexp-classes.ts'

/** Something an expression is made of. */
export type Node =
  | { readonly kind: 'rune'; readonly test: RuneTest }
  | { readonly kind: 'sequence'; readonly nodes: readonly Node[] }
  /** `most` is undefined where there is no limit. */
  | { readonly kind: 'repeat'; readonly node: Node; readonly least: number; readonly most?: number }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }

/** What must be true of a place in the text. */
export type Assertion = 'begin' | 'end' | 'wordBoundary' | 'noWordBoundary'

/** The alternatives of an expression, or undefined where Go finds a syntax error. */
export function parseGoRegexp(expression: string): readonly Node[] | undefined {
  const characters = [...expression]
  const lastPosixEnd = characters.findLastIndex((c, i) => c === ':' && characters[i + 1] === ']')
  const reader: Reader = { characters, lastPosixEnd, at: 0 }
  const alternatives: Node[][] = [[]]
  // An operator right behind an operator (`a{2}{3}`) is an error.
  let wasRepeat = false
  while (reader.at < reader.characters.length) {
    const nodes = alternatives.at(-1) ?? []
    if (eat(reader, '|')) {
      alternatives.push([])
      wasRepeat = false
      continue
    }
    const repeat = readRepeat(reader)
    if (repeat !== undefined) {
      const node = nodes.pop()
      if (node === undefined || wasRepeat || !isAllowed(repeat, node)) return undefined
      nodes.push({ kind: 'repeat', node, ...repeat })
      wasRepeat = true
      continue
    }
    const wasGroup = reader.characters[reader.at] === '('
    const read = readNodes(reader)
    if (read === undefined) return undefined
    nodes.push(...read)
    wasRepeat = wasGroup
  }
  return alternatives.map((nodes): Node => ({ kind: 'sequence', nodes }))
}

interface Reader {
  readonly characters: readonly string[]
  /** Where the last `:]` stands, or -1. */
  readonly lastPosixEnd: number
  at: number
}

function eat(reader: Reader, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (reader.characters[reader.at + i] !== text[i]) return false
  }
  reader.at += text.length
  return true
}

interface Repeat {
  readonly least: number
  readonly most?: number
}

/** `*` or a well-formed `{n}`, `{n,}`, `{n,m}`; any other `{` is a literal. */
function readRepeat(reader: Reader): Repeat | undefined {
  if (eat(reader, '*')) return { least: 0 }
  if (reader.characters[reader.at] !== '{') return undefined
  let end = reader.at + 1
  while (/^[\d,]$/.test(reader.characters[end] ?? '')) end++
  const ahead = reader.characters.slice(reader.at, end + 1).join('')
  const found = /^\{(0|[1-9]\d*)(?:(,)(0|[1-9]\d*)?)?\}/.exec(ahead)
  if (found === null) return undefined
  const [text, least, comma, most] = found
  reader.at += text.length
  if (comma !== undefined && most === undefined) return { least: Number(least) }
  return { least: Number(least), most: Number(most ?? least) }
}

const mostRepeats = 1000

function isAllowed({ least, most }: Repeat, node: Node): boolean {
  if (least > mostRepeats || (most !== undefined && (most > mostRepeats || least > most))) return false
  const highest = Math.max(least, most ?? 0)
  return highest < 2 || highest * repeatsOf(node) <= mostRepeats
}

/** How often the innermost of nested repeats is repeated at most: `a{2}\Q\E{3}` is six. */
function repeatsOf(node: Node): number {
  if (node.kind !== 'repeat') return 1
  return Math.max(node.least, node.most ?? 0, 1) * repeatsOf(node.node)
}

function readNodes(reader: Reader): Node[] | undefined {
  const character = reader.characters[reader.at]
  if (character === '\\') return readEscaped(reader)
  if (character === '[') {
    reader.at++
    const test = readClass(reader)
    return test && [{ kind: 'rune', test }]
  }
  if (eat(reader, '(.*/)?')) return [directories]
  reader.at++
  if (character === '^') return [{ kind: 'assertion', assertion: 'begin' }]
  if (character === '$') return [{ kind: 'assertion', assertion: 'end' }]
  if (character === '.') return [anyRune]
  return [literal(codeOf(character))]
}

const anyRune: Node = { kind: 'rune', test: (rune) => rune !== 10 }
const directories: Node = {
  kind: 'repeat',
  node: { kind: 'sequence', nodes: [{ kind: 'repeat', node: anyRune, least: 0 }, literal(47)] },
  least: 0,
  most: 1,
}

function literal(code: number): Node {
  return { kind: 'rune', test: (rune) => rune === code }
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? 0
}

const assertions: Readonly<Record<string, Assertion>> = {
  A: 'begin',
  z: 'end',
  b: 'wordBoundary',
  B: 'noWordBoundary',
}

function readEscaped(reader: Reader): Node[] | undefined {
  const character = reader.characters[reader.at + 1] ?? ''
  const assertion = Object.hasOwn(assertions, character) ? assertions[character] : undefined
  if (assertion !== undefined) {
    reader.at += 2
    return [{ kind: 'assertion', assertion }]
  }
  if (eat(reader, '\\Q')) return readQuoted(reader)
  const test = readNamedSet(reader)
  if (test !== undefined) return test === 'unknown' ? undefined : [{ kind: 'rune', test }]
  const code = readCode(reader)
  return code === undefined ? undefined : [literal(code)]
}

/** What stands between `\Q` and `\E` or the end: itself. */
function readQuoted(reader: Reader): Node[] {
  const nodes: Node[] = []
  while (reader.at < reader.characters.length && !eat(reader, '\\E')) {
    nodes.push(literal(codeOf(reader.characters[reader.at++])))
  }
  return nodes
}

/** `\pL`, `\p{Name}`, `\d` and their like; undefined where something else stands. */
function readNamedSet(reader: Reader): RuneTest | 'unknown' | undefined {
  const { characters, at } = reader
  const letter = characters[at + 1] ?? ''
  if (characters[at] !== '\\') return undefined
  if (letter !== 'p' && letter !== 'P') {
    const test = perlClass(letter)
    if (test !== undefined) reader.at += 2
    return test
  }
  let name = characters[at + 2] ?? ''
  reader.at += 3
  if (name === '{') {
    const end = characters.indexOf('}', reader.at)
    if (end === -1) return 'unknown'
    name = characters.slice(reader.at, end).join('')
    reader.at = end + 1
  }
  const test = unicodeClass(name)
  if (test === undefined) return 'unknown'
  return letter === 'p' ? test : (rune) => !test(rune)
}

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }

/** The character that an escape means: `\n`, `\x41`, `\x{1F600}`, `\101`, or punctuation that means itself. */
function readCode(reader: Reader): number | undefined {
  const character = reader.characters[reader.at + 1] ?? ''
  reader.at += 2
  if (Object.hasOwn(controls, character)) return controls[character]
  if (character === 'x') return readHex(reader)
  if (/^[0-7]$/.test(character)) return readOctal(reader, character)
  return /^[\0-\x7f]$/.test(character) && /[^0-9A-Za-z]/.test(character) ? codeOf(character) : undefined
}

function readHex(reader: Reader): number | undefined {
  const { characters, at } = reader
  const isBraced = characters[at] === '{'
  const end = isBraced ? characters.indexOf('}', at) : at + 2
  const digits = characters.slice(isBraced ? at + 1 : at, end).join('')
  if (end === -1 || !(isBraced ? /^[\da-f]+$/i : /^[\da-f]{2}$/i).test(digits)) return undefined
  reader.at = isBraced ? end + 1 : end
  const code = Number.parseInt(digits, 16)
  return code > 0x10ffff ? undefined : code
}

function readOctal(reader: Reader, first: string): number | undefined {
  let digits = first
  while (digits.length < 3 && /^[0-7]$/.test(reader.characters[reader.at] ?? '')) {
    digits += reader.characters[reader.at++]
  }
  // A single digit but 0 would be a reference back, which Go has not.
  return digits.length === 1 && first !== '0' ? undefined : Number.parseInt(digits, 8)
}

/** The set of a class, from behind its `[`. */
function readClass(reader: Reader): RuneTest | undefined {
  const negated = eat(reader, '^')
  const tests: RuneTest[] = []
  for (let first = true; first || !eat(reader, ']'); first = false) {
    const test = readClassItem(reader)
    if (test === undefined) return undefined
    tests.push(test)
  }
  return (rune) => tests.some((test) => test(rune)) !== negated
}

function readClassItem(reader: Reader): RuneTest | undefined {
  const name = readPosixName(reader)
  if (name !== undefined) return posixClass(name)
  const named = readNamedSet(reader)
  if (named !== undefined) return named === 'unknown' ? undefined : named
  const low = readClassCode(reader)
  if (low === undefined) return undefined
  const behind = reader.characters[reader.at + 1]
  if (reader.characters[reader.at] !== '-' || behind === undefined || behind === ']')
    return (rune) => rune === low
  reader.at++
  const high = readClassCode(reader)
  return high === undefined || high < low ? undefined : (rune) => low <= rune && rune <= high
}

/** The name in `[:name:]`; without an end the bracket is a literal. */
function readPosixName(reader: Reader): string | undefined {
  const { characters, at, lastPosixEnd } = reader
  if (characters[at] !== '[' || characters[at + 1] !== ':' || at + 2 > lastPosixEnd) return undefined
  let end = at + 2
  while (characters[end] !== ':' || characters[end + 1] !== ']') end++
  reader.at = end + 2
  return characters.slice(at + 2, end).join('')
}

function readClassCode(reader: Reader): number | undefined {
  const character = reader.characters[reader.at]
  if (character === undefined) return undefined
  if (character === '\\') return readCode(reader)
  reader.at++
  return codeOf(character)
}
