// Layers of base images, fetched when they are needed and not before.
import { type Context, task } from '../core/context.ts'
import type { BlobRef } from '../ops/layers.ts'
import type { Host } from './host.ts'

/** Postcondition: the layer's blob is in the local store. Progress is reported as a task of its own. */
export async function fetchBlob(host: Host, layer: BlobRef, cx: Context): Promise<void> {
  const { descriptor, source } = layer
  if (await host.store.has(descriptor)) return
  const { pullLayers } = await import('../registry/pull.ts')
  const step = `fetch ${source} ${descriptor.digest}`
  const registry = await host.registry()
  await task(cx, step, `[internal] fetch a layer of ${source}`, () =>
    pullLayers(registry, { source, layers: [descriptor], store: host.store, step }, cx),
  )
}
