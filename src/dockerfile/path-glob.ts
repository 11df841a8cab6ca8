// Go's `filepath.Match`: the wildcards of COPY and ADD sources. `*` and `?` never match `/`.
// As in Go nothing is tried twice: each star takes the first place where what follows it fits.

/** Whether a source has wildcards that are not escaped. */
export function hasGlob(path: string): boolean {
  return /^(?:\\[\s\S]|[^*?[\\])*[*?[]/.test(path)
}

/** Whether the whole of `path` matches `pattern`. A malformed pattern matches nothing. */
export function globMatch(pattern: string, path: string): boolean {
  return matchGlob(pattern, path) === true
}

/** Whether `pattern` is well formed: every `[` closed, and something behind every `\`. */
export function isGlob(pattern: string): boolean {
  return scanChunks([...pattern]).every(({ characters }) => readChunk(characters) !== undefined)
}

/** `globMatch`, but undefined when the match met a malformed part (Go's ErrBadPattern). */
export function matchGlob(pattern: string, path: string): boolean | undefined {
  const text = [...path]
  let at = 0
  const chunks = scanChunks([...pattern])
  for (const [index, { star, characters }] of chunks.entries()) {
    const isLast = index === chunks.length - 1
    if (star && characters.length === 0) return !text.includes('/', at)
    const chunk = readChunk(characters)
    if (chunk === undefined) return undefined
    const found = place(chunk, text, { at, star, isLast })
    if (found === -1) return false
    at = found + chunk.length
  }
  return at === text.length
}

/** Where the chunk stands: here, or behind what its star takes; the last one must end the text. -1: nowhere. */
function place(
  chunk: Chunk,
  text: readonly string[],
  { at, star, isLast }: { at: number; star: boolean; isLast: boolean },
): number {
  const end = text.length - chunk.length
  for (let from = at; from <= end; from++) {
    if ((!isLast || from === end) && fits(chunk, text, from)) return from
    if (!star || text[from] === '/') return -1
  }
  return -1
}

type Chunk = readonly Matcher[]
/** One character of the path: a certain one, any but `/`, or one of a class. */
type Matcher =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'any' }
  | {
      readonly kind: 'class'
      readonly negated: boolean
      readonly ranges: readonly (readonly [number, number])[]
    }

function fits(chunk: Chunk, text: readonly string[], at: number): boolean {
  return at + chunk.length <= text.length && chunk.every((matcher, i) => matches(matcher, text[at + i] ?? ''))
}

function matches(matcher: Matcher, character: string): boolean {
  switch (matcher.kind) {
    case 'character':
      return matcher.character === character
    case 'any':
      return character !== '/'
    case 'class': {
      const code = character.codePointAt(0) ?? 0
      return matcher.ranges.some(([low, high]) => low <= code && code <= high) !== matcher.negated
    }
  }
}

interface RawChunk {
  readonly star: boolean
  readonly characters: readonly string[]
}

/** The pattern cut before each run of stars. */
function scanChunks(pattern: readonly string[]): readonly RawChunk[] {
  const chunks: RawChunk[] = []
  let at = 0
  while (at < pattern.length) {
    const star = pattern[at] === '*'
    while (pattern[at] === '*') at++
    const start = at
    let inClass = false
    while (at < pattern.length && (inClass || pattern[at] !== '*')) {
      if (pattern[at] === '\\') at++
      else if (pattern[at] === '[') inClass = true
      else if (pattern[at] === ']') inClass = false
      at++
    }
    chunks.push({ star, characters: pattern.slice(start, at) })
  }
  return chunks
}

function readChunk(characters: readonly string[]): Chunk | undefined {
  const chunk: Matcher[] = []
  for (let at = 0; at < characters.length; at++) {
    let character = characters[at] ?? ''
    if (character === '?') {
      chunk.push({ kind: 'any' })
    } else if (character === '[') {
      const read = readClass(characters, at + 1)
      if (read === undefined) return undefined
      chunk.push(read.matcher)
      at = read.end
    } else {
      if (character === '\\') character = characters[++at] ?? ''
      if (character === '') return undefined
      chunk.push({ kind: 'character', character })
    }
  }
  return chunk
}

/** The class that begins behind its `[`; `end` is the offset of its `]`. */
function readClass(
  characters: readonly string[],
  start: number,
): { matcher: Matcher; end: number } | undefined {
  const negated = characters[start] === '^'
  const ranges: [number, number][] = []
  let at = negated ? start + 1 : start
  while (characters[at] !== ']' || ranges.length === 0) {
    const low = readClassCharacter(characters, at)
    if (low === undefined) return undefined
    at = low.end
    let high: typeof low | undefined = low
    if (characters[at] === '-') high = readClassCharacter(characters, at + 1)
    if (high === undefined) return undefined
    at = high.end
    ranges.push([low.code, high.code])
  }
  return { matcher: { kind: 'class', negated, ranges }, end: at }
}

function readClassCharacter(
  characters: readonly string[],
  at: number,
): { code: number; end: number } | undefined {
  const character = characters[at]
  if (character === undefined || character === '-' || character === ']') return undefined
  const escaped = character === '\\' ? characters[at + 1] : character
  if (escaped === undefined) return undefined
  const end = character === '\\' ? at + 2 : at + 1
  // Go needs something behind every character of a class, at least its `]`.
  return end < characters.length ? { code: escaped.codePointAt(0) ?? 0, end } : undefined
}
