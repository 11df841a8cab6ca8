// A base image's layers as snapshots, each unpacked into its own directory, several at a time. The blobs
// come from whatever reader the caller has; that their bytes are right is checked there and again here.
import type { Descriptor } from '../core/descriptor.ts'
import { type Digest, digestOf, hexOf } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import type { Limit } from '../core/limit.ts'
import { applyLayer, type LayerLimits } from '../layer/apply-layer.ts'
import type { ContentReader } from '../store/types.ts'
import { recordedNote } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import { mergedTree } from './merged-tree.ts'
import type { SnapshotId, Snapshotter } from './types.ts'

export interface LayerBlob {
  /** The blob as it is stored; compressed or not. */
  readonly descriptor: Descriptor
  readonly diffId: Digest
}

export interface UnpackOptions {
  readonly snapshotter: Snapshotter
  readonly content: Pick<ContentReader, 'open'>
  readonly native: Native
  readonly signal: AbortSignal
  /** How many layers are unpacked at once. A layer may wait for those below it, so first come must be first served. */
  readonly limit: Limit
  readonly limits?: LayerLimits
  /** Called before a layer is read, and not for those already there. */
  onUnpack?(layer: LayerBlob): void
  /** Hears what there is to say of a layer that was unpacked. */
  onNote?(layer: LayerBlob, text: string): void
}

/** The ids under which the layers' snapshots are kept: the hex of their ChainIDs (image-spec, config.md "Layer ChainID"). */
export function chainIds(diffIds: readonly Digest[]): readonly SnapshotId[] {
  let chain: Digest | undefined
  return diffIds.map((diffId) => {
    chain = chain === undefined ? diffId : digestOf(`${chain} ${diffId}`)
    return hexOf(chain)
  })
}

/** Postcondition: every layer (bottom first) is a committed snapshot. When one fails the others are stopped and waited for, and nothing of a failed one stays. */
export async function unpackLayers(
  layers: readonly LayerBlob[],
  options: UnpackOptions,
): Promise<readonly SnapshotId[]> {
  const ids = chainIds(layers.map((layer) => layer.diffId))
  const failed = new AbortController()
  const inner = { ...options, signal: AbortSignal.any([options.signal, failed.signal]) }
  const done: Promise<void>[] = []
  for (const [index, layer] of layers.entries()) {
    const below = { ids: ids.slice(0, index), done: done.slice() }
    const task = options.limit(() => unpackOne(ids[index] ?? '', layer, below, inner))
    done.push(task)
    task.catch((thrown: unknown) => failed.abort(thrown))
  }
  await Promise.allSettled(done)
  options.signal.throwIfAborted()
  if (failed.signal.aborted) throw failed.signal.reason
  return ids
}

/**
 * A layer made here, on top of the committed snapshots `below` (bottom first), as a snapshot of its own. What its archive
 * leaves out, the metadata of the root for one, it has from them.
 */
export async function unpackOnto(
  below: readonly SnapshotId[],
  layer: LayerBlob,
  options: UnpackOptions,
): Promise<SnapshotId> {
  const id = ontoId(below, layer.diffId)
  await options.limit(() => unpackOne(id, layer, { ids: below, done: [] }, options))
  return id
}

/** The id of the snapshot that `unpackOnto` makes. */
export function ontoId(below: readonly SnapshotId[], diffId: Digest): SnapshotId {
  return hexOf(digestOf(['on', ...below, diffId].join(' ')))
}

interface Below {
  readonly ids: readonly SnapshotId[]
  readonly done: readonly Promise<void>[]
}

async function unpackOne(
  id: SnapshotId,
  layer: LayerBlob,
  below: Below,
  options: UnpackOptions,
): Promise<void> {
  const { snapshotter, content, native, signal, limits } = options
  await snapshotter.ensure(id, signal, async (active) => {
    options.onUnpack?.(layer)
    const body = await content.open(layer.descriptor, { signal })
    try {
      const written = await applyLayer(body, {
        diffId: layer.diffId,
        directory: active.upper,
        trees: {
          own: () => mergedTree([active.upper], { native }),
          async lower() {
            if (below.ids.length === 0) return undefined
            await Promise.all(below.done)
            return mergedTree(
              below.ids.map((parent) => snapshotter.path(parent)),
              { native },
            )
          },
        },
        native,
        signal,
        ...(limits === undefined ? {} : { limits }),
      })
      const note = recordedNote(written)
      if (note !== undefined) options.onNote?.(layer, note)
    } catch (thrown) {
      signal.throwIfAborted()
      throw thrown instanceof SlipwayError ? inLayer(layer, thrown) : thrown
    } finally {
      body.destroy()
    }
  })
}

/** The same failure, with the layer's digest in its message. */
function inLayer(layer: LayerBlob, cause: SlipwayError): SlipwayError {
  return new SlipwayError({
    code: cause.code,
    message: `unpack ${layer.descriptor.digest}: ${cause.message.replace(/^unpack layer: /, '')}`,
    ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    data: { ...cause.data, layer: layer.descriptor.digest },
    cause,
  })
}
