// `slipway push`: an image of the store, its built layers compressed, its base layers as they came.
import type { Context } from './core/context.ts'
import type { Descriptor } from './core/descriptor.ts'
import { SlipwayError } from './core/error.ts'
import { pushExporter } from './export/push-image.ts'
import type { Host } from './host.ts'
import type { StoredImage } from './image/inspect.ts'
import { layerCompression } from './image/media-type.ts'
import { convertWith } from './image-layers.ts'
import { pushWith } from './push-with.ts'

/** Postcondition: the registry of `name` has the image under it; the answer is the manifest it has there. */
export async function pushStored(
  host: Host,
  image: StoredImage,
  name: string,
  cx: Context,
): Promise<Descriptor> {
  const push = pushWith(host)
  const { layers } = image.manifest
  if (layers.every((layer) => layerCompression(layer.mediaType) !== 'uncompressed')) {
    await push(name, image.descriptor, cx)
    return image.descriptor
  }
  const exporter = pushExporter(
    {
      names: [name],
      form: {
        compression: 'gzip',
        forceCompression: false,
        withoutZstd: false,
        mediaTypes: 'oci',
        annotations: image.manifest.annotations ?? {},
      },
      store: false,
    },
    { store: host.store, convert: convertWith(host), push },
  )
  const diffIds = image.config.rootfs.diff_ids
  const exported = await exporter.export(
    {
      config: image.config,
      layers: layers.map((descriptor, i) => {
        const diffId = diffIds[i]
        if (diffId === undefined) {
          throw new SlipwayError({
            code: 'ERR_CONFIG_INVALID',
            message: `push ${name}: fewer DiffIDs than layers`,
          })
        }
        const isPlain = layerCompression(descriptor.mediaType) === 'uncompressed'
        return { descriptor, diffId, ...(isPlain ? { created: image.config.created ?? '' } : {}) }
      }),
    },
    cx,
  )
  return exported.manifest ?? image.descriptor
}
