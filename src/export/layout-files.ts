// The files of an image as an OCI image layout (image-layout.md), with docker's manifest.json beside it for
// `docker load`, podman and skopeo. Only what the files are; archives and directories write them.
import type { Descriptor } from '../core/descriptor.ts'
import { hexOf } from '../core/digest.ts'
import { mediaType } from '../core/media-type.ts'
import { familiarReference, parseReference } from '../core/reference.ts'
import { encodeIndex } from '../image/encode.ts'
import type { PackedImage } from './packed-image.ts'

/** A file of the layout: small ones by their bytes, layers by a descriptor whose bytes are in the store. */
export interface LayoutFile {
  readonly path: string
  readonly content: Buffer | Descriptor
}

export interface LayoutOptions {
  /** Full references. */
  readonly names: readonly string[]
  /** RFC 3339; annotated on the index entries. */
  readonly created?: string
  readonly withDockerManifest: boolean
}

/** Every file of the layout, each path once, in the order of an archive (sorted). */
export function layoutFiles(image: PackedImage, options: LayoutOptions): readonly LayoutFile[] {
  const files: LayoutFile[] = [
    { path: 'oci-layout', content: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { path: 'index.json', content: indexOf(indexEntries(image.manifest.descriptor, options)) },
    blobFile(image.manifest.descriptor, image.manifest.bytes),
    blobFile(image.config.descriptor, image.config.bytes),
    ...image.layers.map((layer) => blobFile(layer, layer)),
  ]
  if (options.withDockerManifest)
    files.push({ path: 'manifest.json', content: dockerManifest(image, options.names) })
  const unique = new Map(files.map((file) => [file.path, file]))
  return [...unique.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The index entries of an image: one per name, or a single one without. Annotated as containerd and buildx do. */
export function indexEntries(manifest: Descriptor, options: LayoutOptions): readonly Descriptor[] {
  const created = options.created === undefined ? {} : { 'org.opencontainers.image.created': options.created }
  const annotations = options.names.map((name) => ({
    'io.containerd.image.name': name,
    ...created,
    'org.opencontainers.image.ref.name': parseReference(name).tag ?? 'latest',
  }))
  const each = annotations.length > 0 ? annotations : [created]
  return each.map((found) => ({
    ...manifest,
    ...(Object.keys(found).length === 0 ? {} : { annotations: found }),
  }))
}

/** The bytes of an index.json. */
export function indexOf(manifests: readonly Descriptor[]): Buffer {
  return encodeIndex({ schemaVersion: 2, mediaType: mediaType.ociIndex, manifests }).bytes
}

/** Where a blob lies in a layout. */
export function blobPath(descriptor: Descriptor): string {
  return `blobs/sha256/${hexOf(descriptor.digest)}`
}

function blobFile(descriptor: Descriptor, content: LayoutFile['content']): LayoutFile {
  return { path: blobPath(descriptor), content }
}

function dockerManifest(image: PackedImage, names: readonly string[]): Buffer {
  const entry = {
    Config: blobPath(image.config.descriptor),
    RepoTags: names.length === 0 ? null : names.map((name) => familiarReference(parseReference(name))),
    Layers: image.layers.map(blobPath),
  }
  return Buffer.from(JSON.stringify([entry]))
}
