// How images reach registries from here: their built layers compressed, each under its full name.
import { join } from 'node:path'
import { parseReference } from '../core/reference.ts'
import { layerConverter } from '../export/layer-converter.ts'
import type { ConvertLayer } from '../export/packed-image.ts'
import type { PushImage } from '../export/push-image.ts'
import { hintWriter } from '../store/hints.ts'
import type { Host } from './host.ts'

/** Sends a stored image to the registry of a full reference. */
export function pushWith(host: Host): PushImage {
  return async (name, descriptor, cx) => {
    const { pushImage } = await import('../registry/push.ts')
    await pushImage(await host.registry(), { store: host.store, ref: parseReference(name), descriptor }, cx)
  }
}

/** Converts layers within the store and remembers the results there. */
export function convertWith(host: Host): ConvertLayer {
  const { store, directory, native } = host
  return layerConverter(store, {
    variants: join(directory, 'variants'),
    writeHint: hintWriter(directory, native),
    native,
  })
}
