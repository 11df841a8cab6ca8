// A cache in a store of named objects (S3, GitHub's): one object is the config, whose layers say what a manifest would
// say of them, and one object each layer.
import {
  type CacheConfig,
  type CacheLayer,
  encodeCacheConfig,
  parseCacheConfig,
} from '../buildkit/cache-config.ts'
import { indexRecords } from '../buildkit/match.ts'
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { invariant } from '../core/error.ts'
import { layerCompression, mediaType } from '../core/media-type.ts'
import type { ContentReader } from '../store/types.ts'
import { encodeMountsManifest, readMountsManifest } from './mounts-manifest.ts'
import type { CachedLayer, CacheImporter, CacheSink } from './types.ts'

/** What a text says of a cache: its steps, or which archive holds the cache mounts that go with it (mounts-manifest.ts). */
export type TextKind = 'config' | 'mounts'

export interface ObjectStore {
  /** As a person knows it: `s3 bucket/prefix`. */
  readonly name: string
  /** The texts of this kind there are, the one to trust first first. */
  readTexts(kind: TextKind, cx: Context): Promise<readonly string[]>
  writeText(kind: TextKind, text: string, cx: Context): Promise<void>
  /** Layers by their digest; what is read is verified. */
  readonly layers: ContentReader
  /** Postcondition: the layer is there. `from` is read again when a transfer is tried again. */
  putLayer(layer: Descriptor, from: ContentReader, cx: Context): Promise<void>
}

/** Reads the cache of a store. */
export function objectImporter(open: () => Promise<ObjectStore>, name: string): CacheImporter {
  return {
    name,
    async load(cx) {
      const store = await open()
      const texts = await store.readTexts('config', cx)
      return texts.map((text) => {
        const config = parseCacheConfig(text)
        const layers = new Map(config.layers.flatMap((layer) => entryOf(layer)))
        return {
          source: name,
          index: indexRecords(config),
          reader: store.layers,
          layerOf: (blob) => layers.get(blob),
        }
      })
    },
    async loadMounts(cx) {
      const store = await open()
      const [text] = await store.readTexts('mounts', cx)
      if (text === undefined) return undefined
      const archive = readMountsManifest(Buffer.from(text), mediaType.ociManifest)
      return archive && { archive, reader: store.layers }
    },
  }
}

function entryOf({ blob, annotations }: CacheLayer): readonly (readonly [Digest, CachedLayer])[] {
  if (annotations === undefined || layerCompression(annotations.mediaType) === undefined) return []
  const { mediaType, size, diffId, createdAt } = annotations
  return [[blob, { descriptor: { mediaType, digest: blob, size }, diffId, created: createdAt }]]
}

/** Writes the cache of a store. */
export function objectSink(open: () => Promise<ObjectStore>, name: string): CacheSink {
  let opened: Promise<ObjectStore> | undefined
  const store = (): Promise<ObjectStore> => {
    opened ??= open()
    return opened
  }
  return {
    name,
    async putLayer({ descriptor }, from, cx) {
      await (await store()).putLayer(descriptor, from, cx)
    },
    async publish(config, layers, cx) {
      const text = encodeCacheConfig(annotated(config, layers))
      await (await store()).writeText('config', text, cx)
    },
    async putMounts(archive, from, cx) {
      await (await store()).putLayer(archive, from, cx)
      const { manifest } = encodeMountsManifest(archive)
      await (await store()).writeText('mounts', Buffer.from(manifest.bytes).toString('utf8'), cx)
    },
  }
}

function annotated(config: CacheConfig, layers: ReadonlyMap<Digest, CachedLayer>): CacheConfig {
  return {
    ...config,
    layers: config.layers.map((layer) => {
      const cached = layers.get(layer.blob)
      invariant(cached !== undefined, `a cache config names the layer ${layer.blob}, which was not put`)
      const { mediaType, size } = cached.descriptor
      const { diffId, created } = cached
      return { ...layer, annotations: { mediaType, diffId, size, createdAt: created } }
    }),
  }
}
