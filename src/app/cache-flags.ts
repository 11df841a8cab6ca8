// `--cache-from` and `--cache-to` as typed, understood before anything is built. Without them none of what they need is loaded.
import { SlipwayError } from '../core/error.ts'
import type { CacheTarget, CacheWish } from '../remote-cache/spec.ts'

export interface CacheFlags {
  readonly cacheFrom: readonly string[]
  readonly cacheTo: readonly string[]
}

/** The remote caches of a build. */
export interface CacheWishes {
  readonly from: readonly CacheWish[]
  readonly to: readonly CacheTarget[]
}

/** What the flags ask for; undefined when they are not given. Throws ERR_CACHE_OPTION, ERR_REFERENCE_INVALID. */
export async function readCacheFlags(
  { cacheFrom, cacheTo }: CacheFlags,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<CacheWishes | undefined> {
  if (cacheFrom.length === 0 && cacheTo.length === 0) return undefined
  const { nameOfPlace, parseCacheSource, parseCacheTarget } = await import('../remote-cache/spec.ts')
  const to = cacheTo.map((text) => parseCacheTarget(text, environment))
  const names = to.map(({ place }) => nameOfPlace(place))
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw new SlipwayError({
      code: 'ERR_CACHE_OPTION',
      message: `export caches: ${twice} is given twice`,
      hint: 'write each cache once',
    })
  }
  return { from: cacheFrom.map((text) => parseCacheSource(text, environment)), to }
}
