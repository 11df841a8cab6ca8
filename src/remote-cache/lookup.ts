// Looks an op up in remote caches: which of their records it is follows from its vertex and from the records of its
// inputs; a record with layers that fit and are still there is a hit.
import { contentLinks, matchRecords } from '../buildkit/match.ts'
import type { Selector, Vertex, VertexInput } from '../buildkit/vertex.ts'
import type { Digest } from '../core/digest.ts'
import type { OpRef } from '../graph/op.ts'
import { walk } from '../graph/walk.ts'
import type { LayerRef, Result, SolveView } from '../solve/types.ts'
import { type ExpectedLayer, expectedLayers, fitLayers } from './expected-layers.ts'
import type { CachedLayer, LoadedCache } from './types.ts'

export interface LookupOptions {
  readonly view: SolveView
  /** Those that could be loaded; asked in this order. */
  readonly caches: readonly LoadedCache[]
  vertexOf(ref: OpRef): Promise<Vertex | undefined>
  /** The layers of an image op. */
  imageLayers(ref: OpRef): Promise<readonly LayerRef[]>
  /** BuildKit's digests of what is read of an input; reads files. None when that cannot be told. */
  contentDigests(input: Result, selectors: readonly Selector[]): Promise<readonly Digest[]>
  /** Whether the layer may be used: nothing was found wrong with it. */
  isTrusted(blob: Digest): boolean
  isHere(layer: CachedLayer): Promise<boolean>
}

export type Lookup = ReturnType<typeof openLookup>

/** The look-up for one solve; what was found of an op is remembered for those above it. */
export function openLookup(options: LookupOptions) {
  const { view, caches } = options
  const { graph } = view
  const expected = new Map<OpRef, readonly ExpectedLayer[] | undefined>()
  /** For each cache, the records that an op is. */
  const nodes = new Map<OpRef, readonly ReadonlySet<number>[]>()
  const none: readonly ReadonlySet<number>[] = caches.map(() => new Set<number>())
  const there = new Map<string, Promise<boolean>>()
  const isThere = (layer: CachedLayer, cache: LoadedCache): Promise<boolean> => {
    const name = `${caches.indexOf(cache)} ${layer.descriptor.digest}`
    const asked =
      there.get(name) ??
      options.isHere(layer).then((isHere) => isHere || cache.reader.has(layer.descriptor, view.cx))
    there.set(name, asked)
    return asked
  }

  const match = async (ref: OpRef, inputs?: readonly Result[]): Promise<readonly ReadonlySet<number>[]> => {
    const op = graph.ops[ref]
    const vertex = await options.vertexOf(ref)
    if (op === undefined || vertex === undefined || graph.notes[ref]?.force) return none
    const contents = contentReader(options, ref, inputs)
    return Promise.all(
      caches.map(({ index }, cache) =>
        matchRecords(vertex, index, {
          nodesOf: ({ from }) => (from.kind === 'op' ? nodes.get(from.ref)?.[cache] : undefined) ?? new Set(),
          contentsOf: contents,
        }),
      ),
    )
  }

  /** Everything `root` needs, inputs first, by definition alone. */
  const prepare = async (root: OpRef): Promise<void> => {
    for (const ref of walk((ref) => graph.ops[ref], [root])) {
      if (expected.has(ref)) continue
      const op = graph.ops[ref]
      if (op === undefined) continue
      const image = op.kind === 'image' ? await options.imageLayers(ref) : []
      expected.set(
        ref,
        expectedLayers(op, image, (input) => expected.get(input)),
      )
      nodes.set(ref, await match(ref))
    }
  }

  const layersOf = async (ref: OpRef): Promise<readonly LayerRef[] | undefined> => {
    const wanted = expected.get(ref)
    if (wanted === undefined) return undefined
    for (const [at, cache] of caches.entries()) {
      const results = [...(nodes.get(ref)?.[at] ?? [])]
        .flatMap((record) => cache.index.config.records[record]?.results ?? [])
        .sort((a, b) => Date.parse(b.created) - Date.parse(a.created))
      for (const { layers } of results) {
        const fitted = await useLayers(layers, cache, wanted, { isTrusted: options.isTrusted, isThere })
        if (fitted !== undefined) return fitted
      }
    }
    return undefined
  }

  let turn = Promise.resolve()
  return {
    /** The layers of an op's result; with `inputs` also by their content. */
    async find(ref: OpRef, inputs?: readonly Result[]): Promise<readonly LayerRef[] | undefined> {
      if (caches.length === 0) return undefined
      // One walk at a time: they share what they find.
      const prepared = turn.then(() => prepare(ref))
      turn = prepared.catch(() => undefined)
      await prepared
      if (inputs !== undefined) {
        const before = nodes.get(ref) ?? none
        const now = await match(ref, inputs)
        nodes.set(
          ref,
          now.map((found, at) => new Set([...(before[at] ?? []), ...found])),
        )
      }
      return layersOf(ref)
    },
    /** The records of content that an op is known by in the caches, by the place of the input. */
    contentsOf(ref: OpRef): ReadonlyMap<number, readonly Digest[]> {
      const all = new Map<number, readonly Digest[]>()
      for (const [at, { index }] of caches.entries()) {
        for (const [input, digests] of contentLinks(index, nodes.get(ref)?.[at] ?? [])) {
          all.set(input, [...new Set([...(all.get(input) ?? []), ...digests])])
        }
      }
      return all
    },
  }
}

/** Digests of an input's content: slipway's own, which is remembered between builds, then BuildKit's. */
function contentReader(options: LookupOptions, ref: OpRef, inputs: readonly Result[] | undefined) {
  const { view } = options
  return async function* contentsOf({ from, content }: VertexInput): AsyncGenerator<Digest> {
    if (from.kind !== 'op') return
    const isLocal = view.graph.ops[from.ref]?.kind === 'local'
    const input = inputs?.[from.index] ?? (isLocal ? await view.result(from.ref) : undefined)
    if (input === undefined) return
    const own = await view.contentOf(ref, from.index, input)
    if (own !== undefined) yield own
    if (content !== undefined) yield* await options.contentDigests(input, content)
  }
}

async function useLayers(
  indexes: readonly number[],
  cache: LoadedCache,
  wanted: readonly ExpectedLayer[],
  {
    isTrusted,
    isThere,
  }: {
    readonly isTrusted: LookupOptions['isTrusted']
    isThere(layer: CachedLayer, cache: LoadedCache): Promise<boolean>
  },
): Promise<readonly LayerRef[] | undefined> {
  const layers: CachedLayer[] = []
  for (const index of indexes) {
    const blob = cache.index.config.layers[index]?.blob
    const layer = blob === undefined ? undefined : cache.layerOf(blob)
    if (layer === undefined || !isTrusted(layer.descriptor.digest)) return undefined
    layers.push(layer)
  }
  const fitted = fitLayers(
    wanted,
    layers.map((layer) => ({ diffId: layer.diffId, layer: refOf(layer, cache.source) })),
  )
  if (fitted === undefined) return undefined
  // A cache may name what its registry has dropped; a base image's layers are had from elsewhere.
  const used = layers.filter((_, at) => wanted[at] === 'new')
  const there = await Promise.all(used.map((layer) => isThere(layer, cache)))
  return there.every(Boolean) ? fitted : undefined
}

function refOf({ descriptor, diffId, created }: CachedLayer, source: string): LayerRef {
  return { kind: 'blob', descriptor, diffId, source, created }
}
