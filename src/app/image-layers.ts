// The layers of a result as an image has them: a base image's as they came, those that are archives already, a step's
// as the tar of its snapshot, made once and remembered.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from '../core/context.ts'
import { isDigest } from '../core/digest.ts'
import { errnoOf, invariant } from '../core/error.ts'
import { limit } from '../core/limit.ts'
import { ociLayerType } from '../core/media-type.ts'
import type { ImageLayer } from '../image/types.ts'
import { writeLayer } from '../layer/write-layer.ts'
import { type BlobRef, usingLayers } from '../ops/cached-layers.ts'
import type { LayerSource } from '../ops/layers.ts'
import type { LayerRef, Result } from '../solve/types.ts'
import { fetchBlob } from './fetch-blob.ts'
import type { Host } from './host.ts'
import { proveLayer } from './prove-layer.ts'

type SnapshotRef = Extract<LayerRef, { kind: 'snapshot' }>

/** A small layer is mostly waiting for the disk, and those that wait together share its work. */
const layersAtOnce = 8

export interface ImageLayersOptions {
  readonly source: LayerSource
  /** Whether an output reads the bytes of this layer of a base image. */
  isRead(layer: BlobRef): boolean
}

/** Bottom first. Postcondition: every layer's blob is in the store, or it is read by nobody and can be had from a registry. */
export async function imageLayers(
  host: Host,
  result: Result | null,
  { source, isRead }: ImageLayersOptions,
  cx: Context,
): Promise<readonly ImageLayer[]> {
  const layers = result?.layers ?? []
  const slots = limit(layersAtOnce)
  return Promise.all(
    layers.map(async (layer, index) => {
      invariant(layer.kind !== 'directory', 'a local directory became a layer of an image')
      if (layer.kind === 'blob' && (isRead(layer) || !(await canBeLeft(host, layer)))) {
        await slots(() => usingLayers([layer], cx, () => bring(host, layer, cx)), cx.signal)
      }
      return slots(() => builtLayer(host, layers, index, source, cx), cx.signal)
    }),
  )
}

/** Whether a push finds the layer of a base image where it came from. */
async function canBeLeft(
  { store, options }: Host,
  { descriptor, source, created }: BlobRef,
): Promise<boolean> {
  if (created !== undefined || options.layouts?.[source] !== undefined) return false
  return (await store.origins(descriptor.digest)).length > 0
}

async function bring(host: Host, layer: BlobRef, cx: Context): Promise<void> {
  await fetchBlob(host, layer, cx)
  if (layer.created !== undefined) await proveLayer(host, layer, cx)
}

/** The layer at `index` of a result; a base image's blob need not be here. */
export async function builtLayer(
  host: Host,
  layers: readonly LayerRef[],
  index: number,
  source: LayerSource,
  cx: Context,
): Promise<ImageLayer> {
  const layer = layers[index]
  invariant(layer !== undefined && layer.kind !== 'directory', 'a result has no such layer')
  if (layer.kind !== 'snapshot') {
    const { diffId, descriptor, created } = layer
    return { diffId, descriptor, ...(created === undefined ? {} : { created }) }
  }
  const below = () => source.directories(layers.slice(0, index), cx)
  return (await recall(host, layer)) ?? (await make(host, layer, below, cx))
}

async function make(
  host: Host,
  layer: SnapshotRef,
  lower: () => Promise<readonly string[]>,
  cx: Context,
): Promise<ImageLayer> {
  const { diffId, descriptor } = await writeLayer(host.snapshotter.path(layer.id), {
    lower: await lower(),
    store: host.store,
    native: host.native,
    signal: cx.signal,
  })
  const directory = join(host.directory, 'layers')
  const text = JSON.stringify({ diffId, size: descriptor.size })
  // Need not survive a power cut: without it the tar is made once more.
  writeMakingParent(directory, `${layer.id}.json`, text)
  return { diffId, descriptor, created: layer.created }
}

/** On this thread: three trips to libuv's pool cost ten times what these calls do. */
function writeMakingParent(directory: string, name: string, text: string): void {
  const write = (): void => writeFileSync(join(directory, name), text, { mode: 0o600 })
  try {
    write()
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    write()
  }
}

/** What `make` remembered, if the blob is still there. */
async function recall(host: Host, layer: SnapshotRef): Promise<ImageLayer | undefined> {
  let text: string
  try {
    // On this thread: a trip to libuv's pool costs more than reading a line.
    text = readFileSync(join(host.directory, 'layers', `${layer.id}.json`), 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
  const match = /^\{"diffId":"(sha256:[0-9a-f]{64})","size":(\d+)\}$/.exec(text)
  const diffId = match?.[1]
  if (!isDigest(diffId)) return undefined
  const descriptor = { mediaType: ociLayerType('uncompressed'), digest: diffId, size: Number(match?.[2]) }
  return (await host.store.has(descriptor)) ? { diffId, descriptor, created: layer.created } : undefined
}
