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

/** Tells lines and columns of one text, for many offsets: the text is walked once. */
export function lineCounter(text: string): (offset: number) => Position {
  const starts = [firstCharacter(text)]
  for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) starts.push(i + 1)
  return (offset) => {
    const at = Math.max(0, Math.min(offset, text.length))
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= at) low = middle
      else high = middle - 1
    }
    const lineStart = starts[low] ?? 0
    const end = (starts[low + 1] ?? text.length + 1) - 1
    const position = { line: low + 1, column: Math.max(0, at - lineStart) + 1, lineStart }
    return {
      ...position,
      get lineText() {
        return text.slice(lineStart, end).replace(/\r$/, '')
      },
    }
  }
}

/** The place of one offset; for many of one text there is `lineCounter`. */
export function positionAt(text: string, offset: number): Position {
  return lineCounter(text)(offset)
}

/** A byte order mark is no character of the first line. */
function firstCharacter(text: string): number {
  return text.startsWith('\ufeff') ? 1 : 0
}
