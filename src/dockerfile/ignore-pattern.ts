// One pattern of an ignore file, with the meaning moby/patternmatcher gives it. It turns patterns into Go regular
// expressions, quirks included (`\d` is a digit), so the same text is made here and then run by simulating
// all its states at once: time is length × pattern, never more, whoever wrote the pattern.
// Differs: `{`, `|` and `}` are plain characters, as moby means them to be (its table of escapes overflows).
import { matchGlob } from './path-glob.ts'

/** A compiled pattern. Paths are relative, cleaned, with `/`. */
export interface IgnorePattern {
  /** As written, cleaned, with its `!`. */
  readonly text: string
  readonly negated: boolean
  matches(path: string): boolean
  /** Whether some path below the directory could match. */
  mayMatchBelow(directory: string): boolean
}

/** The pattern `text` means, or what is wrong with it. `text` is trimmed and not empty. */
export function compileIgnorePattern(text: string): IgnorePattern | string {
  let pattern = cleanPath(text)
  const negated = pattern.startsWith('!')
  if (negated) pattern = pattern.slice(1)
  if (pattern === '') return 'illegal exclusion pattern: "!"'
  if (matchGlob(pattern, '.') === undefined) return 'syntax error in pattern'
  const { kind, expression } = translate(pattern)
  const common = { text: negated ? `!${pattern}` : pattern, negated }
  switch (kind) {
    case 'exact':
      return {
        ...common,
        matches: (path) => path === pattern,
        mayMatchBelow: (directory) => pattern.startsWith(`${directory}/`),
      }
    case 'prefix': {
      const prefix = pattern.slice(0, -2)
      return {
        ...common,
        matches: (path) => path.startsWith(prefix),
        mayMatchBelow: (directory) =>
          prefix.startsWith(`${directory}/`) || `${directory}/`.startsWith(prefix),
      }
    }
    case 'suffix': {
      const suffix = pattern.slice(2)
      return {
        ...common,
        matches: (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1)),
        mayMatchBelow: () => true,
      }
    }
    case 'expression': {
      const items = parseExpression(expression)
      if (items === undefined) return 'syntax error in pattern'
      return {
        ...common,
        matches: (path) => run(items, path).has(items.length * 2),
        mayMatchBelow: (directory) =>
          [...run(items, `${directory}/`)].some((state) => state < items.length * 2),
      }
    }
  }
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
  let at = 0
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
    } else if ('.+()|{}$'.includes(character)) {
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

type Test = (code: number) => boolean
/** An item of an expression: one character, any number of them, an optional run of directories, or `^`. */
type Item =
  | { readonly kind: 'one' | 'many'; readonly test: Test }
  | { readonly kind: 'directories' }
  | { readonly kind: 'start' }

/** Reads the subset of Go's regular expressions that `translate` can make; undefined where Go finds a syntax error. */
function parseExpression(expression: string): readonly Item[] | undefined {
  const characters = [...expression]
  const items: Item[] = []
  let at = 0
  while (at < characters.length) {
    if (characters[at] === '(') {
      items.push({ kind: 'directories' })
      at += '(.*/)?'.length
      continue
    }
    if (characters[at] === '^') {
      items.push({ kind: 'start' })
      at++
      continue
    }
    const read = readItem(characters, at)
    if (read === undefined) return undefined
    at = read.end
    const many = characters[at] === '*'
    if (many) at++
    items.push({ kind: many ? 'many' : 'one', test: read.test })
  }
  return items
}

interface ReadTest {
  readonly test: Test
  readonly end: number
}

function readItem(characters: readonly string[], at: number): ReadTest | undefined {
  const character = characters[at]
  if (character === '.') return { test: (code) => code !== 10, end: at + 1 }
  if (character === '[') return readClass(characters, at + 1)
  if (character === '\\') return readEscape(characters, at + 1)
  if (character === undefined || character === '*') return undefined
  return { test: equals(character), end: at + 1 }
}

function equals(character: string): Test {
  const wanted = character.codePointAt(0)
  return (code) => code === wanted
}

function between(low: number, high: number): Test {
  return (code) => low <= code && code <= high
}

const perlClasses: Readonly<Record<string, RegExp>> = { d: /[0-9]/, s: /[\t\n\f\r ]/, w: /[0-9A-Za-z_]/ }
const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }

/** What stands behind `\`: a class, a control character, or a character that means itself. */
function readEscape(characters: readonly string[], at: number): ReadTest | undefined {
  const character = characters[at] ?? ''
  const class_ = perlClasses[character.toLowerCase()]
  if (class_ !== undefined) {
    const negated = character !== character.toLowerCase()
    return { test: (code) => class_.test(String.fromCodePoint(code)) !== negated, end: at + 1 }
  }
  // Assertions: nobody means them, but `bin\Build` is written by people used to another system's paths.
  if (/^[AbBz]$/.test(character)) return { test: () => false, end: at + 1 }
  const code = readEscapedCode(characters, at)
  return code === undefined ? undefined : { test: (c) => c === code, end: at + 1 }
}

/** Differs: `\x`, octal, `\p` and `\Q` are legal in Go and an error here; no ignore file means them. */
function readEscapedCode(characters: readonly string[], at: number): number | undefined {
  const character = characters[at] ?? ''
  if (Object.hasOwn(controls, character)) return controls[character]
  return /^[\0-\x7f]$/.test(character) && /[^0-9A-Za-z]/.test(character)
    ? character.codePointAt(0)
    : undefined
}

const posixClasses: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /[\0-\x7f]/,
  blank: /[\t ]/,
  cntrl: /[\0-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t-\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
}

function readClass(characters: readonly string[], start: number): ReadTest | undefined {
  const negated = characters[start] === '^'
  const tests: Test[] = []
  const first = negated ? start + 1 : start
  let at = first
  while (characters[at] !== ']' || at === first) {
    const read = readClassItem(characters, at)
    if (read === undefined) return undefined
    tests.push(read.test)
    at = read.end
  }
  return { test: (code) => tests.some((test) => test(code)) !== negated, end: at + 1 }
}

function readClassItem(characters: readonly string[], at: number): ReadTest | undefined {
  const named = /^\[:(\^?)([a-z]+):\]/.exec(characters.slice(at, at + 12).join(''))
  if (named !== null) {
    const [text, caret, name = ''] = named
    const class_ = Object.hasOwn(posixClasses, name) ? posixClasses[name] : undefined
    if (class_ === undefined) return undefined
    const test: Test = (code) => class_.test(String.fromCodePoint(code)) !== (caret === '^')
    return { test, end: at + text.length }
  }
  if (characters[at] === '\\' && Object.hasOwn(perlClasses, characters[at + 1]?.toLowerCase() ?? '')) {
    return readEscape(characters, at + 1)
  }
  const low = readClassCode(characters, at)
  if (low === undefined) return undefined
  if (characters[low.end] !== '-' || (characters[low.end + 1] ?? ']') === ']') {
    return { test: (code) => code === low.code, end: low.end }
  }
  const high = readClassCode(characters, low.end + 1)
  if (high === undefined || high.code < low.code) return undefined
  return { test: between(low.code, high.code), end: high.end }
}

function readClassCode(characters: readonly string[], at: number): { code: number; end: number } | undefined {
  const isEscaped = characters[at] === '\\'
  const code = isEscaped ? readEscapedCode(characters, at + 1) : characters[at]?.codePointAt(0)
  return code === undefined ? undefined : { code, end: isEscaped ? at + 2 : at + 1 }
}

/**
 * The states after all of `text`. State 2i is before item i; 2i+1 is inside item i, a run of directories that has begun
 * and so must end at a slash. State 2n is the end.
 */
function run(items: readonly Item[], text: string): ReadonlySet<number> {
  let states = new Set<number>()
  enter(items, states, 0)
  // Anchors hold before the first character only. (A set also iterates over what is added meanwhile.)
  for (const state of states) if (items[state >> 1]?.kind === 'start') enter(items, states, (state >> 1) + 1)
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    const next = new Set<number>()
    for (const state of states) step(items, next, state, code)
    if (next.size === 0) return next
    states = next
  }
  return states
}

/** Adds the state before item `index`, and those before the items that need not match. */
function enter(items: readonly Item[], states: Set<number>, index: number): void {
  for (let at = index; ; at++) {
    states.add(at * 2)
    const item = items[at]
    if (item === undefined || item.kind === 'one' || item.kind === 'start') return
  }
}

function step(items: readonly Item[], next: Set<number>, state: number, code: number): void {
  const index = state >> 1
  const item = items[index]
  if (item === undefined || item.kind === 'start') return
  if (item.kind === 'directories') {
    if (code !== 10) next.add(index * 2 + 1)
    if (code === 47) enter(items, next, index + 1)
  } else if (item.test(code)) {
    if (item.kind === 'many') enter(items, next, index)
    else enter(items, next, index + 1)
  }
}
