// Cache mounts that travel with a cache: an archive of `slipway cache export`, under a tag of its own beside the cache's, so
// that BuildKit never sees it.
import type { Descriptor } from '../core/descriptor.ts'
import { mediaType } from '../core/media-type.ts'
import { type Encoded, encoded } from '../image/encode.ts'
import { parseDocument } from '../image/parse.ts'

export const mountsType = 'application/vnd.slipway.cache-mounts.v1.tar+gzip'
/** Nothing, as OCI artifacts have it (image-spec, manifest.md "Guidelines for Artifact Usage"). */
const emptyType = 'application/vnd.oci.empty.v1+json'

/** The tag beside that of a cache. */
export function mountsTag(tag: string): string {
  return `${tag.slice(0, 121)}-mounts`
}

/** The manifest of an archive, and the config it names. */
export function encodeMountsManifest(archive: Descriptor): {
  readonly manifest: Encoded
  readonly config: Encoded
} {
  const config = encoded(emptyType, Buffer.from('{}'))
  const { mediaType: type, digest, size } = archive
  const value = {
    schemaVersion: 2,
    mediaType: mediaType.ociManifest,
    config: config.descriptor,
    layers: [{ mediaType: type, digest, size }],
  }
  return { manifest: encoded(mediaType.ociManifest, Buffer.from(JSON.stringify(value))), config }
}

/** The archive that a manifest names; undefined when it names none. Throws ERR_MANIFEST_*. */
export function readMountsManifest(bytes: Uint8Array, type: string): Descriptor | undefined {
  const document = parseDocument(bytes, type)
  return document.kind === 'manifest'
    ? document.manifest.layers.find((layer) => layer.mediaType === mountsType)
    : undefined
}
