// What must hold of every Graph value, also of one that came from a file or another process.

import { refOf } from './builder.ts'
import { type Graph, mountInputs, type Op, type OpRef } from './op.ts'

/** One line for each way `graph` is broken; none for a sound one. Sound: every op has its own digest as name, a note and inputs that exist. */
export function checkGraph(graph: Graph, roots: readonly OpRef[] = []): string[] {
  const problems: string[] = []
  for (const root of roots) {
    if (graph.ops[root] === undefined) problems.push(`root ${root} is not in the graph`)
  }
  for (const [name, op] of Object.entries(graph.ops) as [OpRef, Op][]) {
    const found = refOf(op)
    if (found !== name) problems.push(`op ${name} has the digest ${found}`)
    if (graph.notes[name] === undefined) problems.push(`op ${name} has no note`)
    for (const input of op.inputs) {
      if (graph.ops[input] === undefined)
        problems.push(`op ${name} needs ${input}, which is not in the graph`)
    }
    for (const index of inputIndexes(op)) {
      if (!Number.isInteger(index) || op.inputs[index] === undefined) {
        problems.push(`op ${name} names input ${index} of ${op.inputs.length}`)
      }
    }
  }
  for (const name of Object.keys(graph.notes) as OpRef[]) {
    if (graph.ops[name] === undefined) problems.push(`note ${name} belongs to no op`)
  }
  // A cycle needs no search: an op's name is the digest of its inputs' names, so one would break a digest above.
  return problems
}

function inputIndexes(op: Op): number[] {
  switch (op.kind) {
    case 'exec':
      return [...(op.root === null ? [] : [op.root]), ...mountInputs(op.mounts)]
    case 'file':
      return [
        ...(op.base === null ? [] : [op.base]),
        ...op.actions.flatMap((action) => (action.kind === 'copy' ? [action.from] : [])),
      ]
    default:
      return []
  }
}
