// Where the ops of a drawn graph stand: inputs above what reads them, each stage in columns of its own, so that its frame
// holds its steps and no others.
import type { Graph, OpRef } from './op.ts'
import { walk } from './walk.ts'

/** An op in the grid: rows from the top, columns from the left. */
export interface Placed {
  readonly ref: OpRef
  readonly row: number
  readonly column: number
}

export interface Frame {
  /** The stage's name; absent for contexts and images that are only copied from. */
  readonly stage?: string
  readonly firstRow: number
  readonly lastRow: number
  readonly firstColumn: number
  readonly lastColumn: number
}

export interface Layout {
  readonly placed: readonly Placed[]
  readonly frames: readonly Frame[]
  readonly rows: number
  readonly columns: number
}

/** The stage that an op belongs to; undefined for contexts and images that are only copied from. */
export function stageOf(graph: Graph, ref: OpRef): string | undefined {
  const note = graph.notes[ref]
  if (note === undefined || note.label === '' || /^\[(?:internal\]|context )/.test(note.label))
    return undefined
  return /^\d+$/.test(note.slot.stage) ? `stage-${note.slot.stage}` : note.slot.stage
}

/** The grid for what `roots` need. */
export function layOut(graph: Graph, roots: readonly OpRef[]): Layout {
  const order = walk((ref) => graph.ops[ref], roots)
  const rows = rowsOf(graph, order)
  const groups = new Map<string | undefined, OpRef[]>()
  for (const ref of order) {
    const stage = stageOf(graph, ref)
    groups.set(stage, [...(groups.get(stage) ?? []), ref])
  }
  const placed: Placed[] = []
  const frames: Frame[] = []
  let column = 0
  for (const [stage, refs] of groups) {
    const used = new Map<number, number>()
    let width = 1
    for (const ref of refs) {
      const row = rows.get(ref) ?? 0
      const at = used.get(row) ?? 0
      used.set(row, at + 1)
      width = Math.max(width, at + 1)
      placed.push({ ref, row, column: column + at })
    }
    const own = [...used.keys()]
    frames.push({
      ...(stage === undefined ? {} : { stage }),
      firstRow: own.reduce((a, b) => Math.min(a, b)),
      lastRow: own.reduce((a, b) => Math.max(a, b)),
      firstColumn: column,
      lastColumn: column + width - 1,
    })
    column += width
  }
  const last = placed.reduce((most, { row }) => Math.max(most, row), -1)
  return { placed, frames, rows: last + 1, columns: column }
}

/** Below all inputs; what has none stands right above the first that reads it. */
function rowsOf(graph: Graph, order: readonly OpRef[]): ReadonlyMap<OpRef, number> {
  const rows = new Map<OpRef, number>()
  for (const ref of order) {
    const above = (graph.ops[ref]?.inputs ?? []).map((input) => rows.get(input) ?? 0)
    rows.set(
      ref,
      above.reduce((most, row) => Math.max(most, row + 1), 0),
    )
  }
  const readers = new Map<OpRef, number>()
  for (const ref of order) {
    for (const input of graph.ops[ref]?.inputs ?? []) {
      readers.set(input, Math.min(readers.get(input) ?? Number.POSITIVE_INFINITY, rows.get(ref) ?? 0))
    }
  }
  for (const ref of order) {
    const reader = readers.get(ref)
    if (graph.ops[ref]?.inputs.length === 0 && reader !== undefined) rows.set(ref, Math.max(0, reader - 1))
  }
  return rows
}
