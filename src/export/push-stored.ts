// `slipway push`: an image of the store to a registry, in the form registries expect.
import { type Context, task } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { layerCompression } from '../core/media-type.ts'
import { replaceLayers } from '../image/manifest.ts'
import type { ImageConfig, Manifest } from '../image/types.ts'
import type { ContentWriter } from '../store/types.ts'
import { type ConvertLayer, compressStep } from './packed-image.ts'
import type { PushImage } from './push-image.ts'

export interface PushStoredHost {
  readonly store: ContentWriter
  readonly convert: ConvertLayer
  readonly push: PushImage
}

/** What `push` needs to know of an image; image/inspect.ts's StoredImage is one. */
export interface PushableImage {
  readonly descriptor: Descriptor
  readonly manifest: Manifest
  readonly config: ImageConfig
}

/** Pushes as `name`, a full reference, and answers the manifest that is there now. Plain layers travel as gzip, so the manifest differs from the stored one if it has any; one that came from a registry goes back byte for byte. */
export async function pushStored(
  image: PushableImage,
  name: string,
  host: PushStoredHost,
  cx: Context,
): Promise<Descriptor> {
  const { manifest, config, descriptor } = image
  const isPlain = (layer: Descriptor): boolean => layerCompression(layer.mediaType) === 'uncompressed'
  if (!manifest.layers.some(isPlain) || manifest.layers.length !== config.rootfs.diff_ids.length) {
    await host.push(name, descriptor, cx)
    return descriptor
  }
  const layers = await task(cx, compressStep, 'compressing layers', () =>
    Promise.all(
      manifest.layers.map(async (layer, i) => {
        const diffId = config.rootfs.diff_ids[i]
        if (diffId === undefined || !isPlain(layer)) return layer
        return host.convert({ diffId, descriptor: layer }, { compression: 'gzip' }, cx)
      }),
    ),
  )
  const packed = replaceLayers(manifest, layers)
  await host.store.put(packed.descriptor, packed.bytes, { signal: cx.signal })
  await host.push(name, packed.descriptor, cx)
  return packed.descriptor
}
