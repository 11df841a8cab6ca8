// The collection after a build: only of builds that made something, only where the bounds may be exceeded, and never at
// the build's cost. In the build's own process, so that nothing runs on behind the back of who started it, and a
// container that ends with its build is no half-collected one; what it was doing when it is killed, the next one ends.
import { performance } from 'node:perf_hooks'
import type { Context } from '../core/context.ts'
import { errnoOf, errorJson, SlipwayError } from '../core/error.ts'
import { isDue, readTally } from '../disk/due.ts'
import type { Bounds } from '../disk/policy.ts'
import { roomOf } from '../disk/room.ts'
import { boundsFrom } from '../disk/settings.ts'
import type { Cache } from '../solve/types.ts'
import type { Host } from './host.ts'

/** A cache that knows whether anything was put into it. */
export interface WatchedCache extends Cache {
  readonly hasGrown: boolean
}

/** The same cache, watched. */
export function watchCache(cache: Cache): WatchedCache {
  let hasGrown = false
  return {
    ...cache,
    put(record, aliases) {
      hasGrown = true
      return cache.put(record, aliases)
    },
    get hasGrown() {
      return hasGrown
    },
  }
}

const step = 'collect'

/** The bounds that hold for a host; undefined when nothing is collected by itself. Throws ERR_GC_SETTING. */
export function collectionBounds({ directory, options }: Host): Bounds | undefined {
  return boundsFrom(options.environment, roomOf(directory))
}

/** Brings the state directory within its bounds if that may be needed and nobody else does; what fails is told in the debug log alone. */
export async function collectAfterBuild(
  host: Host,
  { hasGrown, bounds }: { readonly hasGrown: boolean; readonly bounds: Bounds | undefined },
  cx: Context,
): Promise<void> {
  if (!hasGrown || bounds === undefined || cx.signal.aborted) return
  try {
    const nowMs = performance.timeOrigin + performance.now()
    if (!isDue(readTally(host.directory), roomOf(host.directory), bounds, nowMs)) return
    const { collect } = await import('./disk.ts')
    let isSeen = false
    // A look that finds nothing to do is nobody's business.
    const onRemoved = (): void => {
      if (!isSeen) cx.emit({ type: 'task-started', step, title: 'removing unused cache' })
      isSeen = true
    }
    try {
      const collected = await collect(host, bounds, { nowMs, signal: cx.signal, onRemoved })
      cx.debug('collected', { ...collected })
    } finally {
      if (isSeen) cx.emit({ type: 'task-finished', step })
    }
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError) && errnoOf(thrown) === undefined) throw thrown
    cx.debug('collect', { error: errorJson(thrown) })
  }
}
