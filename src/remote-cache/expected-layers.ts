// How many layers an op's result has and which of them are a base image's: what a remote cache offers must fit.
import type { Digest } from '../core/digest.ts'
import type { Graph, Op, OpRef } from '../graph/op.ts'
import type { LayerRef } from '../solve/types.ts'

/** A layer of a base image, known; `new` is one that a step makes, of which nothing is known. */
export type ExpectedLayer = LayerRef | 'new'

/** The layers each op's result must have, bottom first; undefined for a local directory. Inputs are asked for first. */
export function expectedLayers(
  op: Op,
  image: readonly LayerRef[],
  of: (ref: OpRef) => readonly ExpectedLayer[] | undefined,
): readonly ExpectedLayer[] | undefined {
  switch (op.kind) {
    case 'local':
      return undefined
    case 'image':
      return image
    case 'http':
    case 'git':
      return ['new']
    case 'merge':
      return all(op.inputs.map(of))?.flat()
    case 'exec':
    case 'file': {
      const base = op.kind === 'exec' ? op.root : op.base
      const ref = base === null ? undefined : op.inputs[base]
      const below = ref === undefined ? [] : of(ref)
      return below === undefined ? undefined : [...below, 'new']
    }
  }
}

function all<T>(items: readonly (T | undefined)[]): readonly T[] | undefined {
  const known = items.filter((item) => item !== undefined)
  return known.length === items.length ? known : undefined
}

/** The ops whose layers the result of `root` consists of. */
export function opsOfResult(graph: Graph, root: OpRef): ReadonlySet<OpRef> {
  const found = new Set<OpRef>()
  const waiting = [root]
  for (let ref = waiting.pop(); ref !== undefined; ref = waiting.pop()) {
    const op = graph.ops[ref]
    if (found.has(ref) || op === undefined) continue
    found.add(ref)
    if (op.kind === 'merge') waiting.push(...op.inputs)
    const base = op.kind === 'exec' ? op.root : op.kind === 'file' ? op.base : null
    const below = base === null ? undefined : op.inputs[base]
    if (below !== undefined) waiting.push(below)
  }
  return found
}

/** The offered layers as a result has them: those of a base image as it has them. Undefined when they do not fit. */
export function fitLayers(
  expected: readonly ExpectedLayer[],
  offered: readonly { readonly diffId: Digest; readonly layer: LayerRef }[],
): readonly LayerRef[] | undefined {
  if (offered.length !== expected.length) return undefined
  const fitted: LayerRef[] = []
  for (const [index, { diffId, layer }] of offered.entries()) {
    const wanted = expected[index]
    if (wanted === undefined || wanted === 'new') fitted.push(layer)
    else if (wanted.kind === 'blob' && wanted.diffId === diffId) fitted.push(wanted)
    else return undefined
  }
  return fitted
}
