// The media types of images (OCI image-spec media-types.md, docker image spec v2.2) and what each one holds.

export const mediaType = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const

export type LayerCompression = 'uncompressed' | 'gzip' | 'zstd'

const layers: Readonly<Record<string, LayerCompression>> = {
  [mediaType.ociLayer]: 'uncompressed',
  [mediaType.ociLayerGzip]: 'gzip',
  [mediaType.ociLayerZstd]: 'zstd',
  'application/vnd.oci.image.layer.nondistributable.v1.tar': 'uncompressed',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd': 'zstd',
  [mediaType.dockerLayer]: 'uncompressed',
  [mediaType.dockerLayerGzip]: 'gzip',
  'application/vnd.docker.image.rootfs.diff.tar.zstd': 'zstd',
  'application/vnd.docker.image.rootfs.foreign.diff.tar': 'uncompressed',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip': 'gzip',
}

/** Whether a document of this type lists platforms (an OCI index, a docker manifest list). */
export function isIndexType(type: string): boolean {
  return type === mediaType.ociIndex || type === mediaType.dockerList
}

/** Whether a document of this type describes one image (OCI manifest, docker schema 2). */
export function isManifestType(type: string): boolean {
  return type === mediaType.ociManifest || type === mediaType.dockerManifest
}

/** Whether content of this type points to other content: a manifest or an index. Registries keep it apart from blobs. */
export function isDocumentType(type: string): boolean {
  return isManifestType(type) || isIndexType(type)
}

/** Whether a blob of this type is an image config. */
export function isConfigType(type: string): boolean {
  return type === mediaType.ociConfig || type === mediaType.dockerConfig
}

/** Whether this is docker's schema 1 manifest, which slipway refuses (it has no verifiable layers' identities). */
export function isSchema1Type(type: string): boolean {
  return /^application\/vnd\.docker\.distribution\.manifest\.v1\+/.test(type)
}

/** How a layer of this type is compressed; undefined for anything that is not a file system layer. */
export function layerCompression(type: string): LayerCompression | undefined {
  return Object.hasOwn(layers, type) ? layers[type] : undefined
}

/** The OCI layer type of a tar compressed this way. */
export function ociLayerType(compression: LayerCompression): string {
  if (compression === 'gzip') return mediaType.ociLayerGzip
  return compression === 'zstd' ? mediaType.ociLayerZstd : mediaType.ociLayer
}

/** The same kind of layer under OCI's names (docker's types renamed); unchanged where it already is one. */
export function asOciLayerType(type: string): string {
  if (type.startsWith('application/vnd.oci.')) return type
  const compression = layerCompression(type)
  if (compression === undefined) return type
  const plain = ociLayerType(compression)
  return type.includes('.foreign.') ? plain.replace('layer.v1', 'layer.nondistributable.v1') : plain
}

/** Bytes; what registries accept as a manifest or index. */
export const maxManifestBytes = 4 << 20
/** How many indexes may be inside each other. */
export const maxIndexDepth = 4
