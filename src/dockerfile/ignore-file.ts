// The lines of .dockerignore, as moby/patternmatcher's ignorefile reads them. Which paths they mean is in ignore-matcher.ts.
import type { Outcome } from '../core/diagnostic.ts'
import { trimSpace } from './characters.ts'
import { cleanPath, compileIgnorePattern } from './ignore-pattern.ts'
import { newReport } from './report.ts'

const usualName = '.dockerignore'
const limits = { characters: 16 * 1024 * 1024, patterns: 100_000, lineBytes: 65_535 } as const

/** A pattern of an ignore file. */
export interface IgnoreLine {
  /** Cleaned, with its `!`. */
  readonly pattern: string
  /** 1-based. */
  readonly line: number
}

/** The patterns of an ignore file, in order; those that mean nothing are reported and left out. */
export function parseIgnoreFile(text: string, fileName = usualName): Outcome<IgnoreLine[]> {
  const report = newReport()
  const patterns: IgnoreLine[] = []
  const stop = (why: string): Outcome<IgnoreLine[]> => {
    report.error('IgnoreFileTooLarge', why, { file: fileName, start: 0, end: 0 })
    return { value: [], diagnostics: report.diagnostics }
  }
  if (text.length > limits.characters) return stop('the ignore file is larger than 16 MiB')
  let next = text.startsWith('\ufeff') ? 1 : 0
  for (let line = 1; next < text.length; line++) {
    const start = next
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    next = end + 1
    if (Buffer.byteLength(text.slice(start, end)) > limits.lineBytes) {
      const message = `failed parsing ${fileName}: a line is longer than ${limits.lineBytes} bytes`
      report.error('InvalidIgnorePattern', message, { file: fileName, start, end: start + 80 })
      continue
    }
    if (text[start] === '#') continue
    const pattern = readPattern(text.slice(start, end))
    if (pattern === undefined) continue
    // Trimmed again, because what a dropped `/` uncovers counts, too: `/!` and a tab are a `!` alone.
    const trimmed = trimSpace(pattern)
    if (trimmed === '') continue
    const compiled = compileIgnorePattern(trimmed)
    if (typeof compiled === 'string') {
      const message = `failed parsing ${fileName}: ${compiled}`
      report.error('InvalidIgnorePattern', message, { file: fileName, start, end })
      continue
    }
    if (compiled.isBroken()) {
      const message = `${JSON.stringify(trimmed)} is no pattern: what it is asked about fails the build`
      const hint = 'write a backslash only before a character that is neither letter nor digit'
      report.warning('InvalidIgnorePattern', message, { file: fileName, start, end }, { hint })
    }
    if (patterns.length === limits.patterns) return stop(`more than ${limits.patterns} patterns`)
    patterns.push({ pattern: trimmed, line })
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
