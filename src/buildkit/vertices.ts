// Every op of a graph as BuildKit's vertex of it. An op that BuildKit has no twin of gets a name that only slipway
// gives: it is shared between slipways.
import { canonicalJson } from '../core/canonical-json.ts'
import { type Digest, digestOf } from '../core/digest.ts'
import type { Platform } from '../core/platform.ts'
import { keyed } from '../graph/keyed.ts'
import type { Graph, Op, OpNote, OpOf, OpRef } from '../graph/op.ts'
import { type ExecFacts, execVertex } from './exec-vertex.ts'
import { fileVertex } from './file-vertex.ts'
import { goJson } from './go-json.ts'
import { gitVertex, httpVertex, imageVertex } from './source-vertex.ts'
import type { Vertex } from './vertex.ts'

export interface VertexFacts {
  readonly graph: Graph
  /** What steps run on unless their note says otherwise. */
  readonly platform: Platform
  readonly shmSizeBytes?: number
  readonly cgroupParent?: string
  /** The layers of an image op. */
  diffIds(op: OpOf<'image'>, note: OpNote): Promise<readonly Digest[]>
}

/** The vertex of an op; undefined for a local directory, which counts by content alone. */
export async function vertexOf(op: Op, note: OpNote, facts: VertexFacts): Promise<Vertex | undefined> {
  switch (op.kind) {
    case 'local':
      return undefined
    case 'image':
      return imageVertex(op, note, await facts.diffIds(op, note))
    case 'git':
      return gitVertex(op) ?? ownVertex(op)
    case 'http':
      return httpVertex(op) ?? ownVertex(op)
    case 'file':
      return fileVertex(op, (ref) => facts.graph.ops[ref]?.kind ?? op.kind) ?? ownVertex(op)
    case 'merge':
      return mergeVertex(op)
    case 'exec':
      return execVertex(op, note, execFacts(note, facts))
  }
}

function execFacts(note: OpNote, { platform, shmSizeBytes, cgroupParent }: VertexFacts): ExecFacts {
  return {
    platform: note.platform ?? platform,
    ...(shmSizeBytes === undefined ? {} : { shmSizeBytes }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
  }
}

function mergeVertex(op: OpOf<'merge'>): Vertex {
  const inputs = op.inputs.map((_, index) => (index === 0 ? {} : { input: index }))
  const digest = digestOf(goJson({ Type: 'buildkit.merge.v0', Merge: { inputs } }))
  return { digests: [digest], inputs: op.inputs.map(inputOf) }
}

function ownVertex(op: Op): Vertex {
  const { inputs, ...body } = keyed(op)
  const digest = digestOf(`slipway.op.v1:${canonicalJson(body)}`)
  return { digests: [digest], inputs: inputs.map(inputOf) }
}

function inputOf(ref: OpRef, index: number) {
  return { from: { kind: 'op', ref, index }, selectors: [''] } as const
}
