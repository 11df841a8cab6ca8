// Layers of base images, fetched when they are needed and not before.
import { type Context, task } from './core/context.ts'
import type { Host } from './host.ts'
import type { BlobRef } from './ops/layers.ts'

/** Postcondition: these layers' blobs are in the local store. Progress is reported as a task of its own. */
export async function fetchBlobs(host: Host, layers: readonly BlobRef[], cx: Context): Promise<void> {
  const missing: BlobRef[] = []
  for (const layer of layers) if (!(await host.store.has(layer.descriptor))) missing.push(layer)
  const sources = new Set(missing.map((layer) => layer.source))
  if (sources.size === 0) return
  const { pullLayers } = await import('./registry/pull.ts')
  const registry = await host.registry()
  for (const source of sources) {
    const wanted = missing.filter((layer) => layer.source === source).map((layer) => layer.descriptor)
    const step = `fetch ${source}`
    await task(cx, step, step, () =>
      pullLayers(registry, { source, layers: wanted, store: host.store, step }, cx),
    )
  }
}
