// Places in source text. Offsets everywhere; line and column exist only when something is printed.

/** A half-open range of UTF-16 offsets into the text of one source file. */
export interface Span {
  readonly file: string
  readonly start: number
  readonly end: number
}

/** A text that spans point into; `name` is how the user knows it (a path, or `-` for standard input). */
export interface SourceFile {
  readonly name: string
  readonly text: string
}

/** 1-based line and column (columns count UTF-16 units), and that line's text without its line end. */
export interface Position {
  readonly line: number
  readonly column: number
  readonly lineText: string
  readonly lineStart: number
}

export function positionAt(text: string, offset: number): Position {
  const at = Math.max(0, Math.min(offset, text.length))
  const lineStart = text.lastIndexOf('\n', at - 1) + 1
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < lineStart; i = text.indexOf('\n', i + 1)) line++
  const newline = text.indexOf('\n', lineStart)
  const lineText = text.slice(lineStart, newline === -1 ? text.length : newline).replace(/\r$/, '')
  return { line, column: at - lineStart + 1, lineText, lineStart }
}
