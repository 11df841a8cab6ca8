// The layers that a config names, as a manifest lists them.
import type { CacheConfig } from '../buildkit/cache-config.ts'
import type { Digest } from '../core/digest.ts'
import { invariant } from '../core/error.ts'
import type { CachedLayer } from './types.ts'

/** Each once, in the order of the config. */
export function listedLayers(
  config: CacheConfig,
  layers: ReadonlyMap<Digest, CachedLayer>,
): readonly CachedLayer[] {
  return [...new Set(config.layers.map(({ blob }) => blob))].map((blob) => {
    const layer = layers.get(blob)
    invariant(layer !== undefined, `a cache config names the layer ${blob}, which was not put`)
    return layer
  })
}
