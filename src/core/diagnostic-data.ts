// Diagnostics for programs: places as lines and columns, so that nobody needs the file to understand them.
import type { Diagnostic, Severity } from './diagnostic.ts'
import { oneLine } from './error.ts'
import { lineCounter, type SourceFile, type Span } from './span.ts'

/** A point in a file: `line` and `column` from 1, `offset` from 0; columns and offsets count UTF-16 units. */
export interface PointData {
  readonly line: number
  readonly column: number
  readonly offset: number
}

/** Half-open: `end` is the first point behind. */
export interface PlaceData {
  readonly file: string
  readonly start: PointData
  readonly end: PointData
}

/** One diagnostic as `--call=check,format=json` and `--progress=rawjson` write it. */
export interface DiagnosticData {
  readonly code: string
  readonly severity: Severity
  readonly message: string
  readonly url?: string
  readonly place?: PlaceData
  readonly label?: string
  readonly notes?: readonly { readonly message: string; readonly place?: PlaceData }[]
  readonly hint?: string
}

/** The diagnostics as data; places in files that are not among `files` are left out. */
export function diagnosticsData(
  diagnostics: readonly Diagnostic[],
  files: readonly SourceFile[],
): DiagnosticData[] {
  const counters = new Map(files.map(({ name, text }) => [name, lineCounter(text)]))
  const placeOf = ({ file, start, end }: Span): { readonly place?: PlaceData } => {
    const count = counters.get(file)
    if (count === undefined) return {}
    const point = (offset: number): PointData => {
      const { line, column } = count(offset)
      return { line, column, offset }
    }
    return { place: { file, start: point(start), end: point(end) } }
  }
  return diagnostics.map(({ code, severity, message, url, span, label, notes = [], hint }) => ({
    code,
    severity,
    message: oneLine(message),
    ...(url === undefined ? {} : { url }),
    ...(span === undefined ? {} : placeOf(span)),
    ...(label === undefined ? {} : { label: oneLine(label) }),
    ...(notes.length === 0
      ? {}
      : { notes: notes.map((note) => ({ message: oneLine(note.text), ...placeOf(note.span) })) }),
    ...(hint === undefined ? {} : { hint: oneLine(hint) }),
  }))
}
