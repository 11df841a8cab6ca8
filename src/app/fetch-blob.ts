// Layers of base images, fetched when they are needed and not before.
import { type Context, task } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { limit } from '../core/limit.ts'
import type { BlobRef } from '../ops/cached-layers.ts'
import { copyBlobs } from '../store/copy.ts'
import { openForeignLayout } from '../store/foreign-layout.ts'
import type { ContentReader } from '../store/types.ts'
import type { Host } from './host.ts'

/** Postcondition: the layer's blob is in the local store. Progress is reported as a task of its own. */
export async function fetchBlob(host: Host, layer: BlobRef, cx: Context): Promise<void> {
  const { descriptor, source } = layer
  if (await host.store.has(descriptor)) return
  const step = `fetch ${source} ${descriptor.digest}`
  const directory = host.options.layouts?.[source]
  const reader = directory === undefined ? host.blobSources.get(source) : openForeignLayout(directory)
  if (reader !== undefined) {
    await task(cx, step, `[internal] copy a layer of ${source}`, () => copyFrom(host, reader, descriptor, cx))
    return
  }
  const { pullLayers } = await import('../registry/pull.ts')
  const registry = await host.registry()
  await task(cx, step, `[internal] fetch a layer of ${source}`, () =>
    pullLayers(registry, { source, layers: [descriptor], store: host.store, step }, cx),
  )
}

async function copyFrom(host: Host, reader: ContentReader, layer: Descriptor, cx: Context): Promise<void> {
  await copyBlobs(reader, host.store, [layer], {
    limit: limit(1),
    signal: cx.signal,
    exclusive: host.store.exclusive,
  })
}
