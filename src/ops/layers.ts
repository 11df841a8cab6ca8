// From the names of layers to directories: the one place where a base image is pulled and unpacked, and only
// when an op really needs its files. What a snapshot is, and how a blob becomes one, is snapshot's business.
import { availableParallelism } from 'node:os'
import type { Context } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { invariant } from '../core/error.ts'
import { limit } from '../core/limit.ts'
import type { SnapshotId, Snapshotter } from '../snapshot/types.ts'
import { chainIds, unpackLayers, unpackOnto } from '../snapshot/unpack.ts'
import type { LayerRef } from '../solve/types.ts'
import type { ContentStore } from '../store/types.ts'
import type { Native } from '../sys/native.ts'
import { type BlobRef, usingLayers } from './cached-layers.ts'

/** The name of a layer made now. */
export function snapshotLayer(id: SnapshotId, cx: Context): LayerRef {
  return { kind: 'snapshot', id, created: cx.now() }
}

/** Layers as snapshots or directories, bottom first, each present and complete. */
export interface LayerSource {
  snapshots(layers: readonly LayerRef[], cx: Context): Promise<readonly SnapshotId[]>
  directories(layers: readonly LayerRef[], cx: Context): Promise<readonly string[]>
}

export interface LayerSourceOptions {
  readonly native: Native
  readonly store: Pick<ContentStore, 'has' | 'open'>
  readonly snapshotter: Snapshotter
  /** Postcondition: the layer's blob is in the store. Only asked for what is not there. */
  fetch(layer: BlobRef, cx: Context): Promise<unknown>
}

/** The layer source of one state directory; concurrent requests for one layer fetch and unpack it once. */
export function openLayerSource(options: LayerSourceOptions): LayerSource {
  const { native, store, snapshotter } = options
  const slots = limit(Math.max(2, availableParallelism()))
  const unpack = unpacker(options, slots)
  const snapshots = async (layers: readonly LayerRef[], cx: Context): Promise<SnapshotId[]> => {
    const ids: SnapshotId[] = []
    for (const run of runsOf(layers)) {
      if (run.kind === 'snapshot') ids.push(run.id)
      else if (run.kind === 'archive') {
        const { signal } = cx
        const unpacking = { native, snapshotter, content: store, signal, limit: slots }
        ids.push(await unpackOnto(ids, run, unpacking))
      } else ids.push(...(await usingLayers(run.blobs, cx, () => unpack(run.blobs, cx))))
    }
    return ids
  }
  return {
    snapshots,
    directories: async (layers, cx) => (await snapshots(layers, cx)).map((id) => snapshotter.path(id)),
  }
}

type Run =
  | { readonly kind: 'snapshot'; readonly id: SnapshotId }
  | Extract<LayerRef, { kind: 'archive' }>
  /** Consecutive layers of one image: a hard link in one may point into those before it. */
  | { readonly kind: 'blobs'; readonly blobs: BlobRef[] }

function runsOf(layers: readonly LayerRef[]): Run[] {
  const runs: Run[] = []
  for (const layer of layers) {
    invariant(layer.kind !== 'directory', 'a local directory was used as a root file system')
    const last = runs.at(-1)
    if (layer.kind === 'snapshot') runs.push({ kind: 'snapshot', id: layer.id })
    else if (layer.kind === 'archive') runs.push(layer)
    else if (last?.kind === 'blobs') last.blobs.push(layer)
    else runs.push({ kind: 'blobs', blobs: [layer] })
  }
  return runs
}

function unpacker(
  { native, store, snapshotter, fetch }: LayerSourceOptions,
  slots: ReturnType<typeof limit>,
) {
  const flights = new Map<Digest, { readonly done: Promise<void>; readonly signal: AbortSignal }>()
  const present = async (blob: BlobRef, cx: Context): Promise<void> => {
    if (!(await store.has(blob.descriptor))) await fetch(blob, cx)
  }
  const fetchOnce = async (blob: BlobRef, cx: Context): Promise<void> => {
    const { digest } = blob.descriptor
    for (let other = flights.get(digest); other !== undefined; other = flights.get(digest)) {
      try {
        return await other.done
      } catch (thrown) {
        // A solve that was given up is still stopping what it had begun. That is no failure of the next one's.
        if (cx.signal.aborted || !other.signal.aborted) throw thrown
      }
    }
    const done = present(blob, cx).finally(() => flights.delete(digest))
    flights.set(digest, { done, signal: cx.signal })
    return await done
  }
  return async (blobs: readonly BlobRef[], cx: Context): Promise<readonly SnapshotId[]> => {
    const ids = chainIds(blobs.map((blob) => blob.diffId))
    const had = await Promise.all(ids.map((id) => snapshotter.has(id)))
    if (had.every(Boolean)) return ids
    // All transfers start at once; each layer is unpacked as soon as its own bytes are there.
    for (const [index, blob] of blobs.entries()) {
      // Awaited when the layer's turn comes, which a failure of another layer may prevent.
      if (had[index] !== true) fetchOnce(blob, cx).catch(() => undefined)
    }
    const blobOf = new Map(blobs.map((blob) => [blob.descriptor.digest, blob]))
    return unpackLayers(blobs, {
      native,
      snapshotter,
      signal: cx.signal,
      limit: slots,
      onNote({ descriptor: { digest } }, text) {
        const step = `unpack ${digest}`
        cx.emit({ type: 'task-started', step, title: `${step}: ${text}` })
        cx.emit({ type: 'task-finished', step })
      },
      content: {
        async open(descriptor, openOptions) {
          const blob = blobOf.get(descriptor.digest)
          if (blob !== undefined) await fetchOnce(blob, cx)
          return store.open(descriptor, openOptions)
        },
      },
    })
  }
}
