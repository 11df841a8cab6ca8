// One instruction's text with its continuations joined, and the way back from its offsets to the file's.
import type { Span } from '../core/span.ts'
import type { Heredoc, Word } from './ast.ts'

/** Logical text as a sequence of pieces of the file: `logical[i]` is the offset where the piece at file offset `physical[i]` begins. */
export interface LogicalLine {
  readonly text: string
  readonly file: string
  readonly logical: readonly number[]
  readonly physical: readonly number[]
  /** The whole instruction in the file, here-documents included. */
  readonly span: Span
  readonly heredocs: readonly Heredoc[]
  readonly comments: readonly string[]
  readonly emptyContinuations: readonly Span[]
}

type Placed = Pick<LogicalLine, 'file' | 'logical' | 'physical'>

/** Where the logical text between two offsets stands in the file (from its first to its last character). */
export function spanIn(line: Placed, start: number, end: number): Span {
  // Most lines are of one piece.
  if (line.logical.length === 1) {
    const shift = (line.physical[0] ?? 0) - (line.logical[0] ?? 0)
    return { file: line.file, start: start + shift, end: Math.max(start, end) + shift }
  }
  const from = offsetInFile(line, start)
  return { file: line.file, start: from, end: end > start ? offsetInFile(line, end - 1) + 1 : from }
}

/** The word at two offsets of the logical text; `text` when it does not mean what is written. */
export function wordIn(line: LogicalLine, place: { start: number; end: number; text?: string }): Word {
  const { start, end } = place
  return { text: place.text ?? line.text.slice(start, end), span: spanIn(line, start, end) }
}

function offsetInFile({ logical, physical }: Placed, offset: number): number {
  let low = 0
  let high = logical.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((logical[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return (physical[low] ?? 0) + offset - (logical[low] ?? 0)
}

/** The escape character that continues a line into its piece `index`, from 1. */
export function jointBefore({ logical, physical, file }: LogicalLine, index: number): Span {
  const at = (physical[index - 1] ?? 0) + (logical[index] ?? 0) - (logical[index - 1] ?? 0)
  return { file, start: at, end: at + 1 }
}
