// Writing one cache while the build goes on: a layer is on its way as soon as the step that made it has ended, the
// records follow when all is known. A failure ends the export, not the build.
import { composeConfig, type ExportedOp } from '../buildkit/compose.ts'
import type { Context } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import type { OpRef } from '../graph/op.ts'
import type { LayerRef, Result } from '../solve/types.ts'
import type { ContentReader } from '../store/types.ts'
import type { CachedLayer, CacheSink } from './types.ts'

export interface ExporterOptions {
  readonly sink: CacheSink
  /** Whether the cache is to have the layers of an op's result. */
  isWanted(ref: OpRef): boolean
  /** The layer at `index` in the form it leaves in. */
  pack(layers: readonly LayerRef[], index: number, cx: Context): Promise<CachedLayer>
  /** Its bytes, wherever they are. */
  reader(layer: LayerRef, cx: Context): ContentReader
  /** Its signal stops what is under way. */
  readonly cx: Context
}

/** What is known of an op at the end; `result` is undefined for one that nobody has. */
export type KnownOp = Pick<ExportedOp, 'ref' | 'vertex' | 'contents'> & { readonly result?: Result }

export interface CacheExport {
  /** Begins to write the layers of a result; what fails is told by `finish`. */
  add(ref: OpRef, result: Result): void
  /** Writes what is left and publishes the cache; the number of records. */
  finish(ops: readonly KnownOp[]): Promise<number>
  /** Resolves when nothing that was begun is under way any more, however it ended. */
  settled(): Promise<unknown>
}

/** The export of one build to one place. */
export function openExport({ sink, isWanted, pack, reader, cx }: ExporterOptions): CacheExport {
  const packed = new Map<string, Promise<CachedLayer>>()
  const layers = new Map<Digest, CachedLayer>()

  const write = async (below: readonly LayerRef[], index: number, layer: LayerRef): Promise<CachedLayer> => {
    const made = await pack(below, index, cx)
    await sink.putLayer(made, reader(layer, cx), cx)
    layers.set(made.descriptor.digest, made)
    return made
  }
  const writeOnce = (all: readonly LayerRef[], index: number, layer: LayerRef): Promise<CachedLayer> => {
    const name = nameOf(layer)
    const known = packed.get(name) ?? write(all, index, layer)
    packed.set(name, known)
    // Met when the export is finished, or not at all when the build fails.
    known.catch(() => undefined)
    return known
  }
  const add = (ref: OpRef, { layers: all }: Result): readonly Promise<CachedLayer>[] => {
    if (!isWanted(ref) || all.some(({ kind }) => kind === 'directory')) return []
    return all.map((layer, index) => writeOnce(all, index, layer))
  }

  return {
    add: (ref, result) => {
      add(ref, result)
    },
    async finish(ops) {
      const exported: ExportedOp[] = []
      for (const { result, ...op } of ops) {
        const written = result === undefined ? [] : await Promise.all(add(op.ref, result))
        const created = written.at(-1)?.created
        exported.push({
          ...op,
          ...(created === undefined
            ? {}
            : { result: { layers: written.map(({ descriptor }) => descriptor.digest), created } }),
        })
      }
      const config = composeConfig(exported)
      await sink.publish(config, layers, cx)
      return config.records.length
    },
    settled: () => Promise.allSettled(packed.values()),
  }
}

/** Tells layers apart: two of one content are written once. */
function nameOf(layer: LayerRef): string {
  if (layer.kind === 'snapshot') return layer.id
  return layer.kind === 'directory' ? layer.name : layer.descriptor.digest
}
