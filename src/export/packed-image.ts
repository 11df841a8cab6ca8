// An image in the form it leaves in: layers compressed as asked, documents that name exactly those bytes.
import { type Context, task } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { type LayerCompression, layerCompression } from '../core/media-type.ts'
import type { Encoded } from '../image/encode.ts'
import { describeImage } from '../image/manifest.ts'
import type { Image, ImageLayer } from '../image/types.ts'
import type { ImageForm } from './output.ts'

/** The same layer with its bytes in another compression, stored; memoised by whoever implements it. */
export type ConvertLayer = (
  layer: ImageLayer,
  to: { readonly compression: LayerCompression; readonly level?: number },
  cx: Context,
) => Promise<Descriptor>

/** The task under which layers are compressed for an output. */
export const compressStep = 'export:compress'

export interface PackedImage {
  readonly manifest: Encoded
  readonly config: Encoded
  /** Bottom first, as the manifest names them; their bytes are in the store, but for those of a base image that nobody needed. */
  readonly layers: readonly Descriptor[]
}

/** The documents and layers of `image` in `form`. */
export async function packImage(
  image: Image,
  form: ImageForm,
  convert: ConvertLayer,
  cx: Context,
): Promise<PackedImage> {
  const to = {
    compression: form.compression,
    ...(form.compressionLevel === undefined ? {} : { level: form.compressionLevel }),
  }
  const stays = (layer: ImageLayer): boolean => {
    const has = layerCompression(layer.descriptor.mediaType)
    const isBase = layer.created === undefined
    const mustConvert = form.withoutZstd && has === 'zstd'
    return (isBase && !form.forceCompression && !mustConvert) || has === to.compression
  }
  const pack = (): Promise<Descriptor[]> =>
    Promise.all(image.layers.map(async (layer) => (stays(layer) ? layer.descriptor : convert(layer, to, cx))))
  const layers = image.layers.every(stays)
    ? await pack()
    : await task(cx, compressStep, 'compressing layers', pack)
  const { config, manifest } = describeImage(image.config, layers, {
    format: form.mediaTypes,
    annotations: form.annotations,
  })
  return { manifest, config, layers }
}
