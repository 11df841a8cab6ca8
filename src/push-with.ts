// How an exporter reaches a registry: a stored image, by its full name.
import { parseReference } from './core/reference.ts'
import type { PushImage } from './export/push-image.ts'
import type { Host } from './host.ts'

export function pushWith(host: Host): PushImage {
  return async (name, descriptor, cx) => {
    const { pushImage } = await import('./registry/push.ts')
    await pushImage(await host.registry(), { store: host.store, ref: parseReference(name), descriptor }, cx)
  }
}
