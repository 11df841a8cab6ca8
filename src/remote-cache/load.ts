// A cache read from a place that holds manifests and blobs: a cache proper, or the inline one of an image.
import {
  type CacheConfig,
  cacheConfigType,
  parseCacheConfig,
  parseInlineRecords,
  timeOf,
} from '../buildkit/cache-config.ts'
import { indexRecords } from '../buildkit/match.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { isIndexType, isManifestType, maxManifestBytes } from '../core/media-type.ts'
import { maxConfigBytes, parseConfig, parseDocument } from '../image/parse.ts'
import type { ImageConfig, Manifest } from '../image/types.ts'
import { readSmall } from '../store/collect.ts'
import type { ContentReader } from '../store/types.ts'
import { readCacheManifest } from './manifest.ts'
import type { CachedLayer, LoadedCache } from './types.ts'

/** Where an image keeps the records of how it was made. */
export const inlineMember = 'moby.buildkit.cache.v0'

/** BuildKit reads 1 MiB. */
const maxCacheConfigBytes = 32 << 20
/** An index may list an image for every platform, each with a cache of its own. */
const mostImages = 64

export interface Place {
  readonly source: string
  readonly reader: ContentReader
  readonly signal: AbortSignal
}

/** The caches behind a manifest; none when it is an image without one. Throws ERR_CACHE_INVALID, ERR_MANIFEST_*. */
export async function loadCaches(
  { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  place: Place,
): Promise<readonly LoadedCache[]> {
  const manifest = readCacheManifest(bytes, descriptor.mediaType)
  if (manifest.config === undefined) return loadInline({ descriptor, bytes }, place)
  const { reader, signal } = place
  const config = await readSmall(reader, manifest.config, { limitBytes: maxCacheConfigBytes, signal })
  return [loaded(parseCacheConfig(config.toString('utf8')), manifest.layers, place)]
}

function loaded(
  config: CacheConfig,
  layers: ReadonlyMap<Digest, CachedLayer>,
  { source, reader }: Place,
): LoadedCache {
  return { source, index: indexRecords(config), reader, layerOf: (blob) => layers.get(blob) }
}

async function loadInline(
  { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  place: Place,
): Promise<readonly LoadedCache[]> {
  const document = parseDocument(bytes, descriptor.mediaType)
  if (document.kind === 'manifest') return loadImage(document.manifest, place)
  const images = document.index.manifests.filter(({ mediaType }) => isManifestType(mediaType))
  const found: LoadedCache[] = []
  for (const image of images.slice(0, mostImages)) {
    const { reader, signal } = place
    const inner = await readSmall(reader, image, { limitBytes: maxManifestBytes, signal })
    const parsed = parseDocument(inner, image.mediaType)
    if (parsed.kind === 'manifest') found.push(...(await loadImage(parsed.manifest, place)))
  }
  return found
}

async function loadImage(manifest: Manifest, place: Place): Promise<readonly LoadedCache[]> {
  if (manifest.config.mediaType === cacheConfigType || isIndexType(manifest.config.mediaType)) return []
  const { reader, signal } = place
  const bytes = await readSmall(reader, manifest.config, { limitBytes: maxConfigBytes, signal })
  const image = parseConfig(bytes)
  const text = image[inlineMember]
  const diffIds = image.rootfs.diff_ids
  if (typeof text !== 'string' || diffIds.length !== manifest.layers.length) return []
  const records = Buffer.from(text, 'base64').toString('utf8')
  const config = parseInlineRecords(
    records,
    manifest.layers.map(({ digest }) => digest),
  )
  const times = timesOf(image)
  const layers = manifest.layers.flatMap((descriptor, index): CachedLayer[] => {
    const diffId = diffIds[index]
    const created = timeOf(times[index])
    return diffId === undefined ? [] : [{ descriptor: bare(descriptor), diffId, created }]
  })
  return [loaded(config, new Map(layers.map((layer) => [layer.descriptor.digest, layer])), place)]
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

/** When the layers were made, as the history tells it. */
function timesOf({ history = [] }: ImageConfig): readonly (string | undefined)[] {
  return history.filter((entry) => entry.empty_layer !== true).map((entry) => entry.created)
}
