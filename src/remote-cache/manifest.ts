// The manifest of a cache in a registry or an OCI layout: an image whose config is the cache config, or an index of
// blobs, as BuildKit before 0.21 wrote it.
import { cacheConfigType, timeOf } from '../buildkit/cache-config.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { isDigest } from '../core/digest.ts'
import { asOciLayerType, isIndexType, layerCompression, mediaType } from '../core/media-type.ts'
import { type Encoded, encoded } from '../image/encode.ts'
import { parseDocument } from '../image/parse.ts'
import type { CachedLayer } from './types.ts'

export interface ManifestForm {
  readonly imageManifest: boolean
  readonly mediaTypes: 'oci' | 'docker'
}

const diffIdKey = 'containerd.io/uncompressed'
const createdKey = 'buildkit/createdat'

/** The manifest that names a config and layers. */
export function encodeCacheManifest(
  config: Descriptor,
  layers: readonly CachedLayer[],
  form: ManifestForm,
): Encoded {
  const listed = layers.map(({ descriptor, diffId, created }) => ({
    mediaType: asOciLayerType(descriptor.mediaType),
    digest: descriptor.digest,
    size: descriptor.size,
    annotations: { [createdKey]: created, [diffIdKey]: diffId },
  }))
  const type = form.imageManifest
    ? mediaType.ociManifest
    : form.mediaTypes === 'oci'
      ? mediaType.ociIndex
      : mediaType.dockerList
  const head = { schemaVersion: 2, mediaType: type }
  const value = form.imageManifest
    ? { ...head, config, layers: listed }
    : { ...head, manifests: [...listed, config] }
  return encoded(type, Buffer.from(JSON.stringify(value)))
}

/** What a manifest says of a cache; `config` is absent when it is none (an image, say). */
export interface CacheManifest {
  readonly config?: Descriptor
  readonly layers: ReadonlyMap<Digest, CachedLayer>
}

/** The cache that a manifest or index is of. Throws ERR_MANIFEST_*. */
export function readCacheManifest(bytes: Uint8Array, type: string): CacheManifest {
  const document = parseDocument(bytes, type)
  const blobs = document.kind === 'index' ? document.index.manifests : document.manifest.layers
  const config =
    document.kind === 'index'
      ? blobs.find((blob) => blob.mediaType === cacheConfigType)
      : document.manifest.config.mediaType === cacheConfigType
        ? document.manifest.config
        : undefined
  const layers = blobs.flatMap((blob) => cachedLayer(blob) ?? [])
  return {
    ...(config === undefined ? {} : { config }),
    layers: new Map(layers.map((layer) => [layer.descriptor.digest, layer])),
  }
}

/** Whether a manifest is one of several images. */
export function isImageIndex(type: string): boolean {
  return isIndexType(type)
}

/** A layer that says what it is unpacked; without that nothing could tell whether it is the right one. */
function cachedLayer({ annotations, mediaType: type, digest, size }: Descriptor): CachedLayer | undefined {
  const diffId = annotations?.[diffIdKey]
  if (!isDigest(diffId) || layerCompression(type) === undefined) return undefined
  return {
    descriptor: { mediaType: type, digest, size },
    diffId,
    created: timeOf(annotations?.[createdKey]),
  }
}
