// A step of a graph as builds remember it.
import { digestOfJson } from '../core/canonical-json.ts'
import type { Digest } from '../core/digest.ts'
import { invariant } from '../core/error.ts'
import type { Graph, OpRef } from '../graph/op.ts'
import { recordStep } from '../solve/record-step.ts'
import { type Outline, outlineOf, variables } from './outline.ts'

export interface Described {
  readonly stage: string
  readonly ordinal: number
  readonly kind: string
  readonly label: string
  readonly title: string
  readonly file?: string
  readonly line?: number
  readonly outline: Outline
  /** Equal for equal ops, whatever they stand on. */
  readonly likeness: Digest
  /** The ARGs that the step may have its values from. */
  readonly args: Readonly<Record<string, string>>
  readonly reference?: string
  readonly inputs: readonly OpRef[]
}

/** The step of `ref`, without anything that only a solve can tell. */
export function describeStep(graph: Graph, ref: OpRef): Described {
  const op = graph.ops[ref]
  const note = graph.notes[ref]
  invariant(op !== undefined && note !== undefined, `op ${ref} is not in the graph`)
  const { build: _build, ...place } = recordStep('', note, graph.files)
  const outline = outlineOf(op)
  return {
    ...place,
    kind: op.kind,
    label: note.label,
    outline,
    likeness: digestOfJson(outline),
    args: variables(note.args ?? []),
    ...(note.reference === undefined ? {} : { reference: note.reference }),
    inputs: op.inputs,
  }
}
