// `--cache-from` and `--cache-to` of one build: what is asked while it is solved, and what is written of it.
import type { ExportedOp } from '../buildkit/compose.ts'
import { contentRecord, type Selector, type Vertex } from '../buildkit/vertex.ts'
import { vertexOf } from '../buildkit/vertices.ts'
import { type Context, task } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { errorJson, SlipwayError } from '../core/error.ts'
import { layerCompression } from '../core/media-type.ts'
import type { Platform } from '../core/platform.ts'
import type { ConvertLayer } from '../export/packed-image.ts'
import type { Graph, OpRef } from '../graph/op.ts'
import { walk } from '../graph/walk.ts'
import type { ImageConfig, ImageLayer } from '../image/types.ts'
import type { Sources } from '../ops/copy/sources.ts'
import type { LayerSource } from '../ops/layers.ts'
import { opsOfResult } from '../remote-cache/expected-layers.ts'
import { type CacheExport, type KnownOp, openExport } from '../remote-cache/exporter.ts'
import { withInlineCache } from '../remote-cache/inline.ts'
import { type Lookup, openLookup } from '../remote-cache/lookup.ts'
import type { CacheTarget, CacheWish } from '../remote-cache/spec.ts'
import type { CachedLayer, CacheSink, LoadedCache } from '../remote-cache/types.ts'
import type { Cache, CacheRecord, LayerRef, RemoteCache, Result, SolveView } from '../solve/types.ts'
import { openImporter, openSink } from './cache-places.ts'
import { rememberDigests } from './content-digests.ts'
import { fetchBlob } from './fetch-blob.ts'
import type { Host } from './host.ts'
import { builtLayer } from './image-layers.ts'
import { convertWith } from './push-with.ts'
import { bringMounts, sendMounts } from './travelling-mounts.ts'
import type { IsTrusted } from './trusted-layers.ts'

export interface RemoteCachesOptions {
  readonly from: readonly CacheWish[]
  readonly to: readonly CacheTarget[]
  readonly graph: Graph
  readonly root: OpRef
  readonly platform: Platform
  readonly shmSizeBytes?: number
  readonly cgroupParent?: string
  readonly layers: LayerSource
  readonly sources: Sources
  /** Of this machine. */
  readonly cache: Cache
}

export interface RemoteCaches extends AsyncDisposable {
  /** Resolves when cache mounts that come along are here. */
  readonly ready: Promise<unknown>
  /** To ask while the graph is solved, using no other layers than these. */
  remote(isTrusted: IsTrusted): RemoteCache
  /** The config of the image that was made, with an inline cache where one is asked for. */
  decorate(config: ImageConfig): Promise<ImageConfig>
  /** Writes the caches. Throws only for one that is required. */
  finish(): Promise<void>
}

/** The remote caches of one build. Reading begins at once. */
export function openRemoteCaches(host: Host, options: RemoteCachesOptions, outer: Context): RemoteCaches {
  const stop = new AbortController()
  const cx: Context = { ...contextOf(outer), signal: AbortSignal.any([outer.signal, stop.signal]) }
  const loading = loadAll(host, options.from, cx)
  const known = knowledge(host, options, cx)
  const targets = options.to.flatMap((target) => openTarget(host, target, options, known.pack, cx) ?? [])
  let lookup: Promise<Lookup> | undefined

  const remote = (isTrusted: IsTrusted): RemoteCache => ({
    attach: (view) => {
      lookup = loading.then((caches) => openLookup({ ...known.lookup(view), isTrusted, caches }))
      known.attach(view, lookup)
    },
    async find(ref, inputs) {
      const found = await (await lookup)?.find(ref, inputs).catch((thrown: unknown) => {
        cx.signal.throwIfAborted()
        cx.debug('remote cache', { step: ref, failure: String(thrown) })
        return undefined
      })
      return found
    },
    learn(ref, result, inputs) {
      known.learn(ref, result, inputs)
      for (const { writer } of targets) writer.add(ref, result)
    },
  })
  const bringsMounts = options.from.some(({ mounts }) => mounts.length > 0)
  return {
    ready: bringsMounts ? loading : Promise.resolve(),
    remote,
    async decorate(config) {
      const inline = options.to.find(({ place }) => place.type === 'inline')
      if (inline === undefined) return config
      let decorated = config
      await exporting('inline', inline.required, cx, async () => {
        decorated = withInlineCache(config, await known.inlineOps())
      })
      return decorated
    },
    async finish() {
      if (targets.length === 0) return
      const ops = known.ops()
      ops.catch(() => undefined)
      for (const { name, target, writer, sink } of targets) {
        await exporting(name, target.required, cx, async () => {
          await writer.finish(await ops)
          if (target.mounts.length > 0) await sendMounts(host, sink, target.mounts, cx)
        })
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await loading
      // What is being written leaves nothing half-made behind only when it is let come to its end.
      await Promise.all(targets.map(({ writer }) => writer.settled()))
    },
  }
}

function contextOf(cx: Context): Omit<Context, 'signal'> {
  return {
    emit: (event) => cx.emit(event),
    drained: () => cx.drained?.(),
    now: () => cx.now(),
    debug: (message, fields) => cx.debug(message, fields),
  }
}

/** What could be loaded; what could not is told, and missed. */
async function loadAll(
  host: Host,
  wishes: readonly CacheWish[],
  cx: Context,
): Promise<readonly LoadedCache[]> {
  const loaded = await Promise.all(
    wishes.map(async ({ source, mounts }) => {
      const importer = await openImporter(host, source)
      const step = `cache-from ${importer.name}`
      return task(cx, step, `importing cache manifest from ${importer.name}`, async () => {
        try {
          const caches = await importer.load(cx)
          // The build's own client finds the others by their reference.
          if (source.type !== 'registry' || source.insecure) {
            for (const cache of caches) host.blobSources.set(cache.source, cache.reader)
          }
          if (caches.length === 0) warn(cx, step, 'there is no cache')
          if (mounts.length > 0) await bringMounts(host, importer, mounts, cx)
          return caches
        } catch (thrown) {
          if (!cx.signal.aborted) warn(cx, step, errorJson(thrown).message)
          return []
        }
      })
    }),
  )
  return loaded.flat()
}

function warn(cx: Context, step: string, text: string): void {
  cx.emit({ type: 'log', step, stream: 'stderr', text: `warning: ${text}\n` })
}

interface Target {
  readonly name: string
  readonly sink: CacheSink
  readonly target: CacheTarget
  readonly writer: CacheExport
}

type Pack = (layers: readonly LayerRef[], index: number, cx: Context) => Promise<ImageLayer>

function openTarget(
  host: Host,
  target: CacheTarget,
  { graph, root }: RemoteCachesOptions,
  pack: Pack,
  cx: Context,
): Target | undefined {
  const sink = openSink(host, target.place)
  if (sink === undefined) return undefined
  const inImage = opsOfResult(graph, root)
  const convert = convertWith(host)
  const writer = openExport({
    sink,
    cx,
    isWanted: (ref) =>
      !['local', 'image'].includes(graph.ops[ref]?.kind ?? 'local') &&
      (target.mode === 'max' || inImage.has(ref)),
    pack: async (layers, index) => packed(await pack(layers, index, cx), target, convert, cx),
    reader: (layer) => ({
      has: (descriptor) => host.store.has(descriptor),
      async open(descriptor, opening) {
        if (layer.kind === 'blob' && !(await host.store.has(descriptor))) await fetchBlob(host, layer, cx)
        return host.store.open(descriptor, opening)
      },
    }),
  })
  return { name: sink.name, sink, target, writer }
}

async function packed(
  layer: ImageLayer,
  { compression, compressionLevel: level, forceCompression }: CacheTarget,
  convert: ConvertLayer,
  cx: Context,
): Promise<CachedLayer> {
  const has = layerCompression(layer.descriptor.mediaType)
  const isBase = layer.created === undefined
  const stays = has === compression || (isBase && !forceCompression)
  const to = { compression, ...(level === undefined ? {} : { level }) }
  const { mediaType, digest, size } = stays ? layer.descriptor : await convert(layer, to, cx)
  return {
    descriptor: { mediaType, digest, size },
    diffId: layer.diffId,
    created: layer.created ?? '0001-01-01T00:00:00Z',
  }
}

/** What goes wrong with a cache is only told, unless the cache is required. */
async function exporting(name: string, required: boolean, cx: Context, act: () => Promise<void>) {
  const step = `cache-to ${name}`
  await task(cx, step, `exporting cache to ${name}`, async () => {
    try {
      await act()
    } catch (thrown) {
      cx.signal.throwIfAborted()
      if (required) throw asExportFailure(name, thrown)
      warn(cx, step, `the cache was not written: ${errorJson(thrown).message}`)
    }
  })
}

function asExportFailure(name: string, thrown: unknown): unknown {
  if (!(thrown instanceof SlipwayError)) return thrown
  const { code, message, hint, data } = thrown
  return new SlipwayError({
    code,
    message: `export cache to ${name}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
    ...(data === undefined ? {} : { data }),
    cause: thrown,
  })
}

/** What a build gets to know of its ops: their vertices, results, and the content they read. */
function knowledge(host: Host, options: RemoteCachesOptions, cx: Context) {
  const { graph, root, sources } = options
  const results = new Map<OpRef, Result>()
  const inputsOf = new Map<OpRef, readonly Result[]>()
  const images = new Map<OpRef, Promise<readonly LayerRef[]>>()
  const vertices = new Map<OpRef, Promise<Vertex | undefined>>()
  let view: SolveView | undefined
  let found: Promise<Lookup> | undefined

  const imageLayers = (ref: OpRef): Promise<readonly LayerRef[]> => {
    const op = graph.ops[ref]
    const note = graph.notes[ref]
    const found =
      images.get(ref) ??
      (op?.kind === 'image' && note !== undefined && view !== undefined
        ? view.drivers.image.run(op, [], note, cx)
        : Promise.resolve([]))
    images.set(ref, found)
    return found
  }
  const vertex = (ref: OpRef): Promise<Vertex | undefined> => {
    const op = graph.ops[ref]
    const note = graph.notes[ref]
    if (op === undefined || note === undefined) return Promise.resolve(undefined)
    const diffIds = async (): Promise<readonly Digest[]> =>
      (await imageLayers(ref)).flatMap((layer) => (layer.kind === 'blob' ? [layer.diffId] : []))
    const found = vertices.get(ref) ?? vertexOf(op, note, { ...options, diffIds })
    vertices.set(ref, found)
    return found
  }
  const pack: Pack = (layers, index) => builtLayer(host, layers, index, options.layers, cx)

  const memory = rememberDigests(host)
  /** By what of its inputs an op can be found beside their definitions; nothing is fetched to find that out. */
  const contentsOf = async (
    ref: OpRef,
    { inputs }: Vertex,
    record: CacheRecord | undefined,
  ): Promise<ReadonlyMap<number, Digest[]>> => {
    const contents = new Map<number, Digest[]>()
    const imported = (await found)?.contentsOf(ref)
    for (const [at, { from, content }] of inputs.entries()) {
      if (from.kind !== 'op' || view === undefined) continue
      const isLocal = graph.ops[from.ref]?.kind === 'local'
      const input = inputsOf.get(ref)?.[from.index] ?? (isLocal ? await view.result(from.ref) : undefined)
      const own =
        input === undefined
          ? keptContent(ref, from.index, record)
          : await view.contentOf(ref, from.index, input)
      const theirs =
        content === undefined
          ? []
          : await memory.digests(input ?? results.get(from.ref), content, read(input))
      const records = [own, ...theirs].flatMap((digest) =>
        digest === undefined ? [] : [contentRecord(digest)],
      )
      contents.set(at, [...new Set([...records, ...(imported?.get(at) ?? [])])])
    }
    return contents
  }
  /** How what is here is read; undefined for what is not. */
  const read = (input: Result | undefined) =>
    input &&
    (async (content: readonly Selector[]) => (await sources(input, cx)).buildkitDigests(content, cx.signal))
  /** The content that an op's key has in the place of an input. */
  const keptContent = (ref: OpRef, index: number, record: CacheRecord | undefined): Digest | undefined => {
    const op = graph.ops[ref]
    const isContent = (op?.kind === 'file' && index !== op.base) || (op?.kind === 'exec' && index !== op.root)
    return isContent ? record?.key.inputs[index] : undefined
  }
  /** What this machine has of an op, which nobody asked for when one above it was known. */
  const storedRecord = async (ref: OpRef): Promise<CacheRecord | undefined> => {
    const kind = graph.ops[ref]?.kind
    if (kind === 'local' || kind === 'image' || kind === 'merge') return undefined
    const definition = await view?.definitionOf(ref)
    return definition && options.cache.get(definition.id)
  }
  /** What another cache has of it: a cache that is written from one that was read has no less. */
  const remoteResult = async (ref: OpRef): Promise<Result | undefined> => {
    const kind = graph.ops[ref]?.kind
    if (kind === 'local' || kind === 'image' || graph.notes[ref]?.force) return undefined
    const layers = await (await found)?.find(ref)
    return layers && { id: ref, layers }
  }
  const ops = async (): Promise<readonly KnownOp[]> => {
    const known: KnownOp[] = []
    for (const ref of walk((at) => graph.ops[at], [root])) {
      const vertexHere = await vertex(ref)
      if (vertexHere === undefined) continue
      const record = inputsOf.has(ref) ? undefined : await storedRecord(ref)
      const result = results.get(ref) ?? record?.result ?? (await remoteResult(ref))
      if (result !== undefined) results.set(ref, result)
      const contents = await contentsOf(ref, vertexHere, record)
      known.push({ ref, vertex: vertexHere, contents, ...(result === undefined ? {} : { result }) })
    }
    return known
  }

  return {
    pack,
    ops,
    attach: (attached: SolveView, lookup: Promise<Lookup>) => {
      view = attached
      found = lookup
    },
    learn: (ref: OpRef, result: Result, inputs?: readonly Result[]) => {
      results.set(ref, result)
      if (inputs !== undefined) inputsOf.set(ref, inputs)
    },
    lookup: (attached: SolveView) => ({
      view: attached,
      vertexOf: vertex,
      imageLayers,
      contentDigests: (input: Result, content: readonly Selector[]) =>
        memory.digests(input, content, read(input)),
      isHere: (layer: CachedLayer) => host.store.has(layer.descriptor),
    }),
    /** With the diff ids of the layers of what is in the image. */
    async inlineOps(): Promise<readonly ExportedOp[]> {
      const inImage = opsOfResult(graph, root)
      return Promise.all(
        (await ops()).map(async ({ result, ...op }): Promise<ExportedOp> => {
          const kind = graph.ops[op.ref]?.kind
          if (result === undefined || kind === 'image' || !inImage.has(op.ref)) return op
          const built = await Promise.all(result.layers.map((_, index) => pack(result.layers, index, cx)))
          const created = built.at(-1)?.created
          const layers = built.map(({ diffId }) => diffId)
          return created === undefined ? op : { ...op, result: { layers, created } }
        }),
      )
    },
  }
}
