// The ops of a graph as the progress views name them.
import type { Digest } from '../core/digest.ts'
import type { StepInfo } from '../core/event.ts'
import type { Graph } from '../graph/op.ts'

/** One step for each op, in the order of the graph. */
export function stepsOf(graph: Graph): StepInfo[] {
  return Object.entries(graph.notes).map(([step, note]) => ({
    step,
    label: note.label,
    title: note.title,
    inputs: graph.ops[step as Digest]?.inputs ?? [],
    ...(note.span === undefined ? {} : { span: note.span }),
  }))
}
