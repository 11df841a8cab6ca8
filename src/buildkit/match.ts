// Finding the records of a cache that an op is: by its digest, and by what each of its inputs may be.
import type { Digest } from '../core/digest.ts'
import type { CacheConfig, ConfigRecord } from './cache-config.ts'
import { contentRecord, type Vertex, type VertexInput, vertexRecord } from './vertex.ts'

/** A config ready for look-ups. */
export interface RecordIndex {
  readonly config: CacheConfig
  readonly byDigest: ReadonlyMap<Digest, readonly number[]>
}

/** The index of a config. */
export function indexRecords(config: CacheConfig): RecordIndex {
  const byDigest = new Map<Digest, number[]>()
  for (const [index, { digest }] of config.records.entries()) {
    const known = byDigest.get(digest)
    if (known === undefined) byDigest.set(digest, [index])
    else known.push(index)
  }
  return { config, byDigest }
}

export interface MatchInputs {
  /** The records that an input is, as far as that is known already. */
  nodesOf(input: VertexInput): ReadonlySet<number>
  /** Digests of the content of an input, cheapest first; asked for one by one, as long as none fits. */
  contentsOf(input: VertexInput): AsyncIterable<Digest>
}

/** The records that a vertex is. Those of helper vertices are found on the way. */
export async function matchRecords(
  vertex: Vertex,
  index: RecordIndex,
  inputs: MatchInputs,
): Promise<ReadonlySet<number>> {
  const candidates = candidatesOf(vertex, index)
  if (candidates.length === 0) return new Set()
  let left = new Set(candidates)
  for (const [at, input] of vertex.inputs.entries()) {
    const nodes = await nodesOf(input, index, inputs)
    const found = new Set<number>()
    for (const candidate of left) {
      if (isReached(index.config.records[candidate], at, nodes, input.selectors)) found.add(candidate)
    }
    // By content only what is not known by definition: looking into files is dear.
    if (found.size === 0) {
      for await (const content of inputs.contentsOf(input)) {
        const roots = contentRoots(content, index)
        if (roots.size === 0) continue
        for (const candidate of left) {
          if (isReached(index.config.records[candidate], at, roots, [''])) found.add(candidate)
        }
        if (found.size > 0) break
      }
    }
    left = found
    if (left.size === 0) break
  }
  return left
}

function candidatesOf(vertex: Vertex, { config, byDigest }: RecordIndex): readonly number[] {
  return vertex.digests.flatMap((digest) =>
    (byDigest.get(vertexRecord(digest)) ?? []).filter(
      (candidate) => config.records[candidate]?.inputs.length === vertex.inputs.length,
    ),
  )
}

async function nodesOf(
  { from, ...input }: VertexInput,
  index: RecordIndex,
  inputs: MatchInputs,
): Promise<ReadonlySet<number>> {
  if (from.kind === 'op') return inputs.nodesOf({ from, ...input })
  return matchRecords(from.vertex, index, inputs)
}

function contentRoots(content: Digest, { config, byDigest }: RecordIndex): ReadonlySet<number> {
  const found = byDigest.get(contentRecord(content)) ?? []
  return new Set(found.filter((at) => config.records[at]?.inputs.length === 0))
}

function isReached(
  record: ConfigRecord | undefined,
  input: number,
  nodes: ReadonlySet<number>,
  selectors: readonly string[],
): boolean {
  const links = record?.inputs[input] ?? []
  return links.some((link) => selectors.includes(link.selector) && nodes.has(link.link))
}

/** The content that a record may have been found by, for each input: what another cache may then find it by. */
export function contentLinks(
  { config }: RecordIndex,
  records: Iterable<number>,
): ReadonlyMap<number, ReadonlySet<Digest>> {
  const found = new Map<number, Set<Digest>>()
  for (const record of records) {
    for (const [at, links] of (config.records[record]?.inputs ?? []).entries()) {
      for (const { selector, link } of links) {
        const target = config.records[link]
        if (selector !== '' || target === undefined || target.inputs.length > 0) continue
        // A hostile record has a million of them.
        const digests = found.get(at) ?? new Set()
        found.set(at, digests.add(target.digest))
      }
    }
  }
  return found
}
