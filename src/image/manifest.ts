// From a finished image to its two documents: the config blob and the manifest that names it.
import type { Descriptor } from '../core/descriptor.ts'
import { invariant } from '../core/error.ts'
import { asOciLayerType, layerCompression, mediaType } from '../core/media-type.ts'
import { type Encoded, encodeConfig, encodeManifest } from './encode.ts'
import type { ImageConfig, Manifest } from './types.ts'

/** Which media types the documents carry; the bytes of layers are the same. */
export type ManifestFormat = 'oci' | 'docker'

export interface DescribeOptions {
  readonly format?: ManifestFormat
  /** The manifest's. */
  readonly annotations?: Readonly<Record<string, string>>
}

/** The config and manifest blobs of one image; `layers` are descriptors of the layer bytes as they are written there. */
export function describeImage(
  config: ImageConfig,
  layers: readonly Descriptor[],
  { format = 'oci', annotations = {} }: DescribeOptions = {},
): { readonly config: Encoded; readonly manifest: Encoded } {
  invariant(
    layers.length === config.rootfs.diff_ids.length,
    `${layers.length} layers for ${config.rootfs.diff_ids.length} diff ids`,
  )
  const encodedConfig = encodeConfig(config, format === 'oci' ? mediaType.ociConfig : mediaType.dockerConfig)
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: format === 'oci' ? mediaType.ociManifest : mediaType.dockerManifest,
    config: encodedConfig.descriptor,
    layers: layers.map((layer) => ({ ...layer, mediaType: layerType(layer.mediaType, format) })),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  })
  return { config: encodedConfig, manifest }
}

/** The same image with its layers in another compression: everything else, the config above all, stays. */
export function replaceLayers(manifest: Manifest, layers: readonly Descriptor[]): Encoded {
  invariant(layers.length === manifest.layers.length, 'a converted image has as many layers as before')
  const format = manifest.mediaType === mediaType.dockerManifest ? 'docker' : 'oci'
  return encodeManifest({
    ...manifest,
    layers: layers.map((layer) => ({ ...layer, mediaType: layerType(layer.mediaType, format) })),
  })
}

function layerType(type: string, format: ManifestFormat): string {
  if (format === 'oci') return asOciLayerType(type)
  const compression = layerCompression(type)
  invariant(compression !== undefined && compression !== 'zstd', `docker has no layer type for ${type}`)
  return compression === 'gzip' ? mediaType.dockerLayerGzip : mediaType.dockerLayer
}
