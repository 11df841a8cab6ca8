// What a remote cache is, whatever holds it: records to look up, layers to read, a place to put both.
import type { CacheConfig } from '../buildkit/cache-config.ts'
import type { RecordIndex } from '../buildkit/match.ts'
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { ContentReader } from '../store/types.ts'

/** A layer with all that is needed to use it without looking into it. */
export interface CachedLayer {
  readonly descriptor: Descriptor
  readonly diffId: Digest
  /** RFC 3339: when its step was done. */
  readonly created: string
}

/** A cache whose records are here; its layers are where they were. */
export interface LoadedCache {
  /** What `LayerRef.source` says of its layers. */
  readonly source: string
  readonly index: RecordIndex
  /** Undefined for a layer that is named but not there. */
  layerOf(blob: Digest): CachedLayer | undefined
  readonly reader: ContentReader
}

export interface CacheImporter {
  /** As a person knows it: `registry 127.0.0.1:5000/app:cache`. */
  readonly name: string
  /** None when there is no cache yet. Throws when that cannot be told. */
  load(cx: Context): Promise<readonly LoadedCache[]>
  /** The archive of cache mounts beside the cache, if there is one; absent where none can be. */
  loadMounts?(
    cx: Context,
  ): Promise<{ readonly archive: Descriptor; readonly reader: ContentReader } | undefined>
}

export interface CacheSink {
  readonly name: string
  /** Postcondition: the layer's blob is there. `from` is only read when it was not. */
  putLayer(layer: CachedLayer, from: ContentReader, cx: Context): Promise<void>
  /** Makes the cache be this config, whose layers have all been put. */
  publish(config: CacheConfig, layers: ReadonlyMap<Digest, CachedLayer>, cx: Context): Promise<void>
  /** Puts an archive of cache mounts beside the cache; absent where none can be. */
  putMounts?(archive: Descriptor, from: ContentReader, cx: Context): Promise<void>
}
