// The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*`, `?` and `\`. Neither `*` nor `?` stands for a line end,
// as in BuildKit. Matching never backtracks.

/** A pattern cut at its stars: what stands between them, each element a character or `any`. */
export interface Glob {
  readonly segments: readonly (readonly (string | typeof any)[])[]
}

/** `?` in a pattern: any character of a line. */
export const any = Symbol('any character')

/** The pattern `text` means, or what is wrong with it. `\` must protect one of `* ? \`; before `}` and `/` it is dropped. */
export function parseGlob(text: string): Glob | string {
  const segments: (string | typeof any)[][] = [[]]
  const characters = [...text]
  for (let at = 0; at < characters.length; at++) {
    let character: string | typeof any = characters[at] ?? ''
    if (character === '*') {
      segments.push([])
      continue
    }
    if (character === '?') {
      character = any
    } else if (character === '\\') {
      character = characters[++at] ?? ''
      if (!'*?\\}/'.includes(character) || character === '') return `invalid escape '\\${character}'`
    }
    segments.at(-1)?.push(character)
  }
  return { segments }
}

/** What pattern and value together may cost, as a product of their lengths; a bound on time, far above any real use. */
export const maxGlobWork = 100_000_000

function fits(value: readonly string[], at: number, segment: Glob['segments'][number]): boolean {
  if (at < 0 || at + segment.length > value.length) return false
  return segment.every((element, i) => {
    const character = value[at + i]
    return element === any ? character !== '\n' : element === character
  })
}

/** Where `segment` first fits at or behind `from`, or -1. */
function find(value: readonly string[], from: number, segment: Glob['segments'][number]): number {
  for (let at = from; at + segment.length <= value.length; at++) if (fits(value, at, segment)) return at
  return -1
}

/** Where `segment` first fits behind a star that begins at `from`, or -1. */
function findInLine(value: readonly string[], from: number, segment: Glob['segments'][number]): number {
  for (let at = from; at + segment.length <= value.length; at++) {
    if (fits(value, at, segment)) return at
    if (value[at] === '\n') return -1
  }
  return -1
}

/** Where `segment` last fits behind a star that begins at `from`, or -1. */
function findLastInLine(value: readonly string[], from: number, segment: Glob['segments'][number]): number {
  for (let at = Math.min(endOfLine(value, from), value.length - segment.length); at >= from; at--) {
    if (fits(value, at, segment)) return at
  }
  return -1
}

/** Where the line that goes on at `from` ends. */
function endOfLine(value: readonly string[], from: number): number {
  const end = value.indexOf('\n', from)
  return end === -1 ? value.length : end
}

/**
 * The end of the match that begins at `start`, or -1. Placing every segment as early as possible leaves the most
 * room for the rest, so it finds the shortest match; the longest one differs in its last segment only.
 */
function matchEnd(value: readonly string[], start: number, { segments }: Glob, longest: boolean): number {
  const [first = [], ...rest] = segments
  if (!fits(value, start, first)) return -1
  let end = start + first.length
  for (const [index, segment] of rest.entries()) {
    const isLast = index === rest.length - 1
    const at = isLast && longest ? findLastInLine(value, end, segment) : findInLine(value, end, segment)
    if (at === -1) return -1
    end = at + segment.length
  }
  return end
}

/** The first match at or behind `from`, the longest there; undefined when there is none. */
function findMatch(
  value: readonly string[],
  from: number,
  glob: Glob,
): readonly [number, number] | undefined {
  const [first = []] = glob.segments
  for (let start = find(value, from, first); start !== -1; ) {
    const end = matchEnd(value, start, glob, true)
    if (end !== -1) return [start, end]
    // What does not fit behind one place in a line fits behind no later one of that line.
    start = find(value, endOfLine(value, start) + 1, first)
  }
  return undefined
}

/** `${value#glob}` or, with `longest`, `${value##glob}`. */
export function trimPrefix(value: string, glob: Glob, longest: boolean): string {
  const characters = [...value]
  const end = matchEnd(characters, 0, glob, longest)
  return end === -1 ? value : characters.slice(end).join('')
}

/** `${value%glob}` or, with `longest`, `${value%%glob}`: the prefix of both reversed. */
export function trimSuffix(value: string, { segments }: Glob, longest: boolean): string {
  const characters = [...value].reverse()
  const reversed = { segments: segments.map((segment) => [...segment].reverse()).reverse() }
  const end = matchEnd(characters, 0, reversed, longest)
  return end === -1 ? value : characters.slice(end).reverse().join('')
}

/** `${value/glob/replacement}` or, with `all`, `${value//glob/replacement}`: leftmost and longest matches. */
export function replaceGlob(value: string, glob: Glob, replacement: string, all: boolean): string {
  const characters = [...value]
  const out: string[] = []
  let copied = 0
  let from = 0
  for (;;) {
    const match = findMatch(characters, from, glob)
    if (match === undefined) break
    const [start, end] = match
    // As in Go, an empty match right behind another match is none.
    if (end > start || start !== copied || copied === 0) {
      out.push(characters.slice(copied, start).join(''), replacement)
      copied = end
    }
    if (!all) break
    from = end > start ? end : end + 1
    if (from > characters.length) break
  }
  return out.join('') + characters.slice(copied).join('')
}
