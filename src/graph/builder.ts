// Collects ops into a Graph: gives each its digest, merges equal ones, keeps what is said about them
// beside. What ops mean and which ones to add is the plan's business.
import { digestOfJson } from '../core/canonical-json.ts'
import { invariant } from '../core/error.ts'
import type { SourceFile } from '../core/span.ts'
import type { Graph, Op, OpNote, OpRef } from './op.ts'
import { walk } from './walk.ts'

export interface GraphBuilder {
  /** The reference of `op`, which is in the graph afterwards. An equal op added before keeps its note; `force` of either stays. */
  add(op: Op, note: OpNote): OpRef
  /** What the roots need and nothing else, in topological order. */
  graph(roots: readonly OpRef[], files: readonly SourceFile[]): Graph
}

/** The identity of an op: the digest of its canonical JSON. */
export function refOf(op: Op): OpRef {
  return digestOfJson(op)
}

/** An empty builder; it is the one mutable thing while a plan is made. */
export function graphBuilder(): GraphBuilder {
  const ops = new Map<OpRef, Op>()
  const notes = new Map<OpRef, OpNote>()
  return {
    add(op, note) {
      for (const input of op.inputs) invariant(ops.has(input), `op ${op.kind} is added before its inputs`)
      const ref = refOf(op)
      const known = notes.get(ref)
      if (known === undefined) {
        ops.set(ref, op)
        notes.set(ref, note)
      } else if (note.force && !known.force) {
        notes.set(ref, { ...known, force: true })
      }
      return ref
    },
    graph(roots, files) {
      const needed = walk((ref) => ops.get(ref), roots)
      return { version: 1, ops: pick(ops, needed), notes: pick(notes, needed), files }
    },
  }
}

function pick<T>(from: ReadonlyMap<OpRef, T>, refs: readonly OpRef[]): Record<OpRef, T> {
  const picked: Record<OpRef, T> = {}
  for (const ref of refs) {
    const value = from.get(ref)
    if (value !== undefined) picked[ref] = value
  }
  return picked
}
