// Mistakes in what the user wrote, as values: every one found is reported, each with its place.
import { oneLine } from './error.ts'
import { excerpt } from './excerpt.ts'
import { lineCounter, type Position, type SourceFile, type Span } from './span.ts'

export type Severity = 'error' | 'warning'

/** A second place that explains the first one ("declared here"). */
export interface Note {
  readonly span: Span
  readonly text: string
}

export interface Diagnostic {
  /** Stable name of the rule, CamelCase (`UnknownInstruction`); BuildKit's own name where it has that check. */
  readonly code: string
  readonly severity: Severity
  /** One sentence: what is wrong. */
  readonly message: string
  readonly span?: Span
  /** Text beside the `^^^^` (optional). */
  readonly label?: string
  readonly notes?: readonly Note[]
  /** What to do about it, one line. */
  readonly hint?: string
  /** Where the rule is documented. */
  readonly url?: string
}

/** A value together with what was wrong on the way; `value` is what could be understood. */
export interface Outcome<T> {
  readonly value: T
  readonly diagnostics: readonly Diagnostic[]
}

/** A file with more mistakes than this is no Dockerfile; the rest is not reported. */
export const mostErrors = 1000

/** What stands in the place of the error after the last that is reported. */
export function tooManyErrors(span: Span): Diagnostic {
  const message = 'too many errors; the rest of the file is not checked'
  return { code: 'TooManyErrors', severity: 'error', message, span }
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((d) => d.severity === 'error')
}

/** How many errors there are and in which files: `2 errors in .dockerignore`; those without a place are of `dockerfile`. */
export function countErrors(diagnostics: readonly Diagnostic[], dockerfile: string): string {
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  const names = [...new Set(errors.map(({ span }) => span?.file ?? dockerfile))]
  const where = names.length === 0 ? dockerfile : names.map(oneLine).join(' and ')
  return `${errors.length} error${errors.length === 1 ? '' : 's'} in ${where}`
}

/** Writes diagnostics as a person reads them, many of them in little time. No trailing newlines. */
export interface DiagnosticPrinter {
  /** Heading, place, snippet with carets, notes, hint. */
  format(diagnostic: Diagnostic): string
  /**
   * The same headed the way docker writes a warning: `WARNING: Rule: message (line 3)`. A file that is not the first one
   * is named.
   */
  formatWarning(diagnostic: Diagnostic): string
}

/** The printer of diagnostics with places in these files. */
export function diagnosticPrinter(files: readonly SourceFile[]): DiagnosticPrinter {
  const counters = new Map<string, ReturnType<typeof lineCounter>>()
  const positionOf = (name: string, offset: number): Position | undefined => {
    const known = counters.get(name)
    if (known !== undefined) return known(offset)
    const file = files.find((one) => one.name === name)
    if (file === undefined) return undefined
    const counter = lineCounter(file.text)
    counters.set(name, counter)
    return counter(offset)
  }
  return {
    format(diagnostic) {
      const { severity, code, message } = diagnostic
      const { at, lines } = snippetOf(diagnostic, positionOf)
      const place = at === undefined ? [] : [`  --> ${diagnostic.span?.file}:${at.line}:${at.column}`]
      return [`${severity}[${code}]: ${readable(message)}`, ...place, ...lines].join('\n')
    },
    formatWarning(diagnostic) {
      const { at, lines } = snippetOf(diagnostic, positionOf)
      const file = diagnostic.span?.file
      const other = file === undefined || file === files[0]?.name ? '' : `${oneLine(file)}, `
      const place = at === undefined ? '' : ` (${other}line ${at.line})`
      return [`WARNING: ${diagnostic.code}: ${readable(diagnostic.message)}${place}`, ...lines].join('\n')
    },
  }
}

/** One diagnostic as a person reads it. */
export function formatDiagnostic(diagnostic: Diagnostic, files: readonly SourceFile[]): string {
  return diagnosticPrinter(files).format(diagnostic)
}

/** One diagnostic as a person reads it, headed as a warning. */
export function formatWarning(diagnostic: Diagnostic, files: readonly SourceFile[]): string {
  return diagnosticPrinter(files).formatWarning(diagnostic)
}

/** Where a diagnostic stands, and what is shown below its heading: the lines it and its notes mean, and the hint. */
function snippetOf(
  diagnostic: Diagnostic,
  positionOf: (file: string, offset: number) => Position | undefined,
): { readonly at?: Position; readonly lines: readonly string[] } {
  const lines: string[] = []
  const shown: { at: Position; length: number; mark: string; text: string }[] = []
  const place = (span: Span, mark: string, text: string): void => {
    const position = positionOf(span.file, span.start)
    if (position === undefined) return
    const at = { ...position }
    const length = Math.max(1, Math.min(span.end - span.start, at.lineText.length - at.column + 1))
    shown.push({ at, length, mark, text: readable(text) })
  }
  if (diagnostic.span) place(diagnostic.span, '^', diagnostic.label ?? '')
  for (const note of diagnostic.notes ?? []) place(note.span, '-', note.text)
  const width = Math.max(0, ...shown.map((s) => String(s.at.line).length))
  for (const { at, length, mark, text } of shown) {
    const { line, marked } = excerpt(at, length, mark)
    lines.push(`  ${String(at.line).padStart(width)} | ${line}`)
    lines.push(`  ${' '.repeat(width)} | ${marked}${text && ` ${text}`}`)
  }
  if (diagnostic.hint) lines.push(`  = help: ${readable(diagnostic.hint)}`)
  const at = shown.find(({ mark }) => mark === '^')?.at
  return { ...(at === undefined ? {} : { at }), lines }
}

const longest = 500

/** What is written for a person: on one line, and what is quoted of a file not at any length. */
function readable(text: string): string {
  const line = oneLine(text).replace(/\S{200,}/g, (word) => `${word.slice(0, 100)}…`)
  return line.length > longest ? `${line.slice(0, longest)}…` : line
}

/** The nearest of `names` within edit distance `most` of `name`, for "did you mean". */
export function nearest(name: string, names: Iterable<string>, most = 2): string | undefined {
  let best: string | undefined
  let bestDistance = most + 1
  // Nobody means what is this long, and the search takes the square of it; nor does it end in time among many names.
  if (name.length > 200) return undefined
  let looked = 0
  for (const candidate of names) {
    if (++looked > 1000) break
    if (candidate === '') continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** What `nearest` finds, and nothing once it has been asked in vain for long: a file may have many thousands of wrong names. */
export type FindNearest = typeof nearest

/** A `nearest` for all the names of one file. */
export function nearestWithin(mostLooked = 50_000): FindNearest {
  let left = mostLooked
  function* counted(names: Iterable<string>): Generator<string> {
    for (const name of names) {
      if (left-- <= 0) return
      yield name
    }
  }
  return (name, names, most) => (left <= 0 ? undefined : nearest(name, counted(names), most))
}

/** Edits between two words: insertions, deletions, substitutions, and neighbours that changed places; at most `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const cell = (i: number, j: number): number => rows[i]?.[j] ?? limit
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const substitution = cell(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = isSwap ? cell(i - 2, j - 2) + 1 : limit
      row.push(Math.min(substitution, swap, cell(i - 1, j) + 1, (row[j - 1] ?? 0) + 1))
    }
    // A swap reaches back two rows.
    if (Math.min(...row) >= limit && Math.min(...(rows[i - 1] ?? [])) >= limit) return limit
  }
  return Math.min(cell(a.length, b.length), limit)
}
