// Making a cache config: a record for everything an op is known by, linked to those of its inputs.
import type { Digest } from '../core/digest.ts'
import type { OpRef } from '../graph/op.ts'
import type { CacheConfig, CacheLayer, ConfigRecord, RecordInput } from './cache-config.ts'
import { type Vertex, type VertexInput, vertexRecord } from './vertex.ts'

/** What is to be said of one op; ops come after their inputs. */
export interface ExportedOp {
  readonly ref: OpRef
  readonly vertex: Vertex
  /** Records (`contentRecord`) of the content that is read of inputs, by their place in the vertex. */
  readonly contents: ReadonlyMap<number, readonly Digest[]>
  /** Blobs of the result, bottom first; absent where only the record is wanted. */
  readonly result?: { readonly layers: readonly Digest[]; readonly created: string }
}

/** The config of these ops. One whose inputs nobody could find again is left out, and so is what needs it. */
export function composeConfig(ops: readonly ExportedOp[]): CacheConfig {
  const records: ConfigRecord[] = []
  const roots = new Map<Digest, number>()
  const nodes = new Map<OpRef, readonly number[]>()
  const chains = layerChains()

  const add = (record: ConfigRecord): number => records.push(record) - 1
  const root = (digest: Digest): number => {
    const known = roots.get(digest) ?? add({ digest, inputs: [], results: [] })
    roots.set(digest, known)
    return known
  }
  const nodesOf = ({ from }: VertexInput): readonly number[] => {
    if (from.kind === 'op') return nodes.get(from.ref) ?? []
    return from.vertex.digests.map((digest) => root(vertexRecord(digest)))
  }

  for (const { ref, vertex, contents, result } of ops) {
    const inputs = vertex.inputs.map((input, at): RecordInput[] => [
      ...nodesOf(input).flatMap((link) => input.selectors.map((selector) => ({ selector, link }))),
      ...(contents.get(at) ?? []).map((content) => ({ selector: '', link: root(content) })),
    ])
    if (inputs.some((links) => links.length === 0)) continue
    const results =
      result === undefined || result.layers.length === 0
        ? []
        : [{ layers: chains.add(result.layers), created: result.created }]
    // A source is nothing that is kept: its layers are had from where it is.
    if (inputs.length === 0 && results.length === 0) {
      nodes.set(
        ref,
        vertex.digests.map((digest) => root(vertexRecord(digest))),
      )
      continue
    }
    nodes.set(
      ref,
      vertex.digests.map((digest, at) => {
        const isOldest = at === vertex.digests.length - 1
        const mine = isOldest ? results : results.map((made) => ({ ...made, isForNewer: true as const }))
        return add({ digest: vertexRecord(digest), inputs, results: mine })
      }),
    )
  }
  return { layers: chains.layers, records }
}

/** Layers, each once for what it stands on. */
function layerChains() {
  const layers: CacheLayer[] = []
  const known = new Map<string, number>()
  return {
    layers,
    add(blobs: readonly Digest[]): readonly number[] {
      const chain: number[] = []
      for (const blob of blobs) {
        const parent = chain.at(-1) ?? -1
        const name = `${parent} ${blob}`
        const index = known.get(name) ?? layers.push({ blob, parent }) - 1
        known.set(name, index)
        chain.push(index)
      }
      return chain
    },
  }
}
