// One pattern of an ignore file, with the meaning moby/patternmatcher gives it. It turns patterns into Go regular
// expressions, quirks included (`\d` is a digit, `{2}` a repeat, `|` cuts the pattern in two), so that is done here, too.
import { bytesOf } from '../core/byte-string.ts'
import { compileGoRegexp, type GoRegexp, type Runes } from './go-regexp.ts'
import { matchGlob } from './path-glob.ts'

/** A path to judge: relative, cleaned, with `/`. */
export interface IgnorePath {
  /** Byte string. */
  readonly bytes: string
  /** Its characters as Go decodes them: what is not UTF-8 is U+FFFD, one for each byte. */
  runes(): Runes
}

/** A compiled pattern. */
export interface IgnorePattern {
  /** As written, cleaned, with its `!`. */
  readonly text: string
  readonly negated: boolean
  /** Byte string of all there is to match, where it has no wildcards. */
  readonly exact?: string
  /** Whether it is no regular expression although it passed Go's check of patterns: then matching it throws. */
  isBroken(): boolean
  /** Throws BrokenPattern. */
  matches(path: IgnorePath): boolean
  /** Whether some path below the directory could match. Throws BrokenPattern. */
  mayMatchBelow(directory: IgnorePath): boolean
}

/** A pattern that Go cannot compile was asked about a path: as in BuildKit nobody minds before. */
export class BrokenPattern extends Error {}

/** The pattern `text` means, or what is wrong with it. `text` is trimmed and not empty. */
export function compileIgnorePattern(text: string): IgnorePattern | string {
  let pattern = cleanPath(text)
  const negated = pattern.startsWith('!')
  if (negated) pattern = pattern.slice(1)
  if (pattern === '') return 'illegal exclusion pattern: "!"'
  if (matchGlob(pattern, '.') === undefined) return 'syntax error in pattern'
  const { kind, expression } = translate(pattern)
  const bytes = bytesOf(pattern)
  const common = { text: negated ? `!${pattern}` : pattern, negated, isBroken: () => false }
  switch (kind) {
    case 'exact':
      return {
        ...common,
        exact: bytes,
        matches: (path) => path.bytes === bytes,
        mayMatchBelow: (directory) => bytes.startsWith(`${directory.bytes}/`),
      }
    case 'prefix': {
      const prefix = bytes.slice(0, -2)
      return {
        ...common,
        matches: (path) => path.bytes.startsWith(prefix),
        mayMatchBelow: (directory) =>
          prefix.startsWith(`${directory.bytes}/`) || `${directory.bytes}/`.startsWith(prefix),
      }
    }
    case 'suffix': {
      const suffix = bytes.slice(2)
      return {
        ...common,
        matches: ({ bytes }) =>
          bytes.endsWith(suffix) || (suffix.startsWith('/') && bytes === suffix.slice(1)),
        mayMatchBelow: () => true,
      }
    }
    case 'expression':
      return { ...common, ...expressionPattern(pattern, expression) }
  }
}

function expressionPattern(
  pattern: string,
  expression: string,
): Pick<IgnorePattern, 'isBroken' | 'matches' | 'mayMatchBelow'> {
  // Many patterns are never asked about a path.
  let compiled: GoRegexp | 'broken' | undefined
  const compile = (): GoRegexp | 'broken' => {
    compiled ??= compileGoRegexp(`^${expression}$`) ?? 'broken'
    return compiled
  }
  const regexp = (): GoRegexp => {
    const found = compile()
    if (found === 'broken') throw new BrokenPattern('syntax error in pattern')
    return found
  }
  const ends = literalEnds(pattern)
  return {
    isBroken: () => compile() === 'broken',
    matches(path) {
      if (ends !== undefined && !(path.bytes.startsWith(ends.prefix) && path.bytes.endsWith(ends.suffix))) {
        return false
      }
      return regexp().matches(path.runes())
    },
    mayMatchBelow(directory) {
      const below = `${directory.bytes}/`
      if (ends !== undefined && !below.startsWith(ends.prefix) && !ends.prefix.startsWith(below)) return false
      return regexp().mayMatchBehind(runesOf(below))
    },
  }
}

/** What paths that match begin and end with, byte strings: quicker to ask than an expression. */
function literalEnds(pattern: string): { prefix: string; suffix: string } | undefined {
  const last = Math.max(pattern.lastIndexOf('*'), pattern.lastIndexOf('?'))
  if (last === -1 || /[[\]\\{|}^\ufeff\ufffd]/.test(pattern)) return undefined
  let suffix = pattern.slice(last + 1)
  if (pattern.slice(last - 1).startsWith('**/')) suffix = suffix.slice(1)
  return { prefix: bytesOf(pattern.slice(0, pattern.search(/[*?]/))), suffix: bytesOf(suffix) }
}

/** A byte string as a path to judge. */
export function ignorePath(bytes: string): IgnorePath {
  let runes: Runes | undefined
  return {
    bytes,
    runes() {
      runes ??= runesOf(bytes)
      return runes
    },
  }
}

function runesOf(bytes: string): Runes {
  if (!/[\x80-\xff]/.test(bytes)) return asciiOf(bytes)
  const buffer = Buffer.from(bytes, 'latin1')
  const text = buffer.toString('utf8')
  if (!text.includes('\ufffd')) return Array.from(text, (character) => character.codePointAt(0) ?? 0)
  const runes: number[] = []
  for (let at = 0; at < buffer.length; ) {
    const end = at + sequenceLength(buffer[at] ?? 0)
    const character = buffer.subarray(at, end)
    const code = character.toString('utf8').codePointAt(0) ?? 0
    const isValid = Buffer.from(String.fromCodePoint(code)).equals(character)
    runes.push(isValid ? code : 0xfffd)
    at = isValid ? end : at + 1
  }
  return runes
}

/** Asked about every file of a context, where Buffer.from would take most of the time. */
function asciiOf(text: string): Runes {
  const codes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) codes[at] = text.charCodeAt(at)
  return codes
}

/** How many bytes a character takes that begins with this one. */
function sequenceLength(byte: number): number {
  if (byte < 0xc0) return 1
  return byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
}

/** Go's `filepath.Clean` for slash paths. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/')
  const out: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..' && out.length > 0 && out.at(-1) !== '..') out.pop()
    else if (part !== '..' || !rooted) out.push(part)
  }
  const cleaned = (rooted ? '/' : '') + out.join('/')
  return cleaned === '' ? '.' : cleaned
}

type Kind = 'exact' | 'prefix' | 'suffix' | 'expression'

/** The regular expression that moby makes of a pattern, and the shortcut it takes where none is needed. */
function translate(pattern: string): { kind: Kind; expression: string } {
  const characters = [...pattern]
  let kind: Kind = 'exact'
  let expression = ''
  // Go's text scanner drops a byte order mark.
  let at = characters[0] === '\ufeff' ? 1 : 0
  for (let step = 0; at < characters.length; step++) {
    const character = characters[at++] ?? ''
    if (character === '*' && characters[at] === '*') {
      at++
      if (characters[at] === '/') at++
      if (at < characters.length) {
        expression += '(.*/)?'
        kind = 'expression'
      } else if (kind === 'exact') {
        kind = 'prefix'
      } else {
        expression += '.*'
        kind = 'expression'
      }
      if (step === 0) kind = 'suffix'
    } else if (character === '*' || character === '?') {
      expression += character === '*' ? '[^/]*' : '[^/]'
      kind = 'expression'
    } else if ('.+()$'.includes(character)) {
      // `{`, `|` and `}` are meant to be escaped, too, but fall out of moby's table.
      expression += `\\${character}`
    } else if (character === '\\' && at < characters.length) {
      expression += `\\${characters[at++]}`
      kind = 'expression'
    } else {
      expression += character
      if (character === '[' || character === ']') kind = 'expression'
    }
  }
  return { kind, expression }
}
