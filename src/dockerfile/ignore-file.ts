// .dockerignore: its lines, and which paths its patterns exclude (moby/patternmatcher).
import type { Outcome } from '../core/diagnostic.ts'
import { SlipwayError } from '../core/error.ts'
import { trimSpace } from './characters.ts'
import { cleanPath, compileIgnorePattern, type IgnorePattern } from './ignore-pattern.ts'
import { newReport } from './report.ts'

const usualName = '.dockerignore'
const limits = { characters: 8 * 1024 * 1024, patterns: 100_000 } as const

/** The patterns of an ignore file, cleaned, in order; those that mean nothing are reported and left out. */
export function parseIgnoreFile(text: string, fileName = usualName): Outcome<string[]> {
  const report = newReport()
  const patterns: string[] = []
  const stop = (why: string): Outcome<string[]> => {
    report.error('IgnoreFileTooLarge', why, { file: fileName, start: 0, end: 0 })
    return { value: [], diagnostics: report.diagnostics }
  }
  if (text.length > limits.characters) return stop('the ignore file is larger than 8 MiB')
  let next = text.startsWith('\ufeff') ? 1 : 0
  while (next < text.length) {
    const start = next
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    next = end + 1
    if (text[start] === '#') continue
    const pattern = readPattern(text.slice(start, end))
    if (pattern === undefined) continue
    const compiled = compileIgnorePattern(pattern)
    if (typeof compiled === 'string') {
      const message = `failed parsing ${fileName}: ${compiled}`
      report.error('InvalidIgnorePattern', message, { file: fileName, start, end })
      continue
    }
    if (patterns.length === limits.patterns) return stop(`more than ${limits.patterns} patterns`)
    patterns.push(pattern)
  }
  return { value: patterns, diagnostics: report.diagnostics }
}

/** The pattern of one line: blanks trimmed, path cleaned, one leading `/` dropped. */
function readPattern(line: string): string | undefined {
  let pattern = trimSpace(line)
  if (pattern === '') return undefined
  const negation = pattern.startsWith('!') ? '!' : ''
  if (negation !== '') pattern = trimSpace(pattern.slice(1))
  if (pattern !== '') pattern = cleanPath(pattern)
  if (pattern.length > 1 && pattern.startsWith('/')) pattern = pattern.slice(1)
  return negation + pattern
}

/** What the patterns say about a path. */
export interface Verdict {
  readonly excluded: boolean
  /** The path is an excluded directory and no pattern can bring back anything below: it need not be walked. */
  readonly skip: boolean
  /** The pattern that decided, if any matched. */
  readonly by?: string
}

/**
 * Decides about paths (relative, cleaned, `/`, decoded text – not byte strings). The last pattern that matches the
 * path or a directory above it wins; `!` patterns bring back. Quickest when asked in walking order.
 */
export type IgnoreMatcher = (path: string, isDirectory: boolean) => Verdict

/** The matcher of these patterns. Throws ERR_PATTERN_INVALID, naming the pattern. */
export function ignoreMatcher(patterns: readonly string[]): IgnoreMatcher {
  const compiled: IgnorePattern[] = []
  for (const text of patterns) {
    const trimmed = trimSpace(text)
    if (trimmed === '') continue
    const pattern = compileIgnorePattern(trimmed)
    if (typeof pattern === 'string') {
      const message = `invalid pattern ${JSON.stringify(text)}: ${pattern}`
      throw new SlipwayError({ code: 'ERR_PATTERN_INVALID', message })
    }
    compiled.push(pattern)
  }
  const above = new Ancestors(compiled)
  return (path, isDirectory) => {
    if (path === '' || path === '.' || compiled.length === 0) return { excluded: false, skip: false }
    const { excluded, by } = decide(compiled, path, above.of(path))
    const skip =
      excluded && isDirectory && !compiled.slice(by + 1).some((p) => p.negated && p.mayMatchBelow(path))
    const pattern = compiled[by]?.text
    return { excluded, skip, ...(pattern === undefined ? {} : { by: pattern }) }
  }
}

function decide(
  patterns: readonly IgnorePattern[],
  path: string,
  above: Uint8Array,
): { excluded: boolean; by: number } {
  let excluded = false
  let by = -1
  for (const [index, pattern] of patterns.entries()) {
    // A pattern that could only repeat what is already decided need not be asked.
    if (pattern.negated !== excluded) continue
    if (above[index] !== 1 && !pattern.matches(path)) continue
    excluded = !pattern.negated
    by = index
  }
  return { excluded, by }
}

/** For the directories above the last path asked about: which patterns match them or a directory above them. */
class Ancestors {
  readonly #patterns: readonly IgnorePattern[]
  readonly #stack: { readonly prefix: string; readonly matched: Uint8Array }[]

  constructor(patterns: readonly IgnorePattern[]) {
    this.#patterns = patterns
    this.#stack = [{ prefix: '', matched: new Uint8Array(patterns.length) }]
  }

  of(path: string): Uint8Array {
    while (!path.startsWith(this.#top().prefix)) this.#stack.pop()
    for (;;) {
      const { prefix, matched } = this.#top()
      const slash = path.indexOf('/', prefix.length)
      if (slash === -1) return matched
      const directory = path.slice(0, slash)
      this.#stack.push({
        prefix: `${directory}/`,
        matched: matched.map((was, index) => (was || this.#patterns[index]?.matches(directory) ? 1 : 0)),
      })
    }
  }

  #top(): { readonly prefix: string; readonly matched: Uint8Array } {
    return this.#stack.at(-1) ?? { prefix: '', matched: new Uint8Array(this.#patterns.length) }
  }
}
