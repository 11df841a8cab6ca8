// A build that a layer of a remote cache has let down is done again without that layer; what was made meanwhile is kept.
import type { Context } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { errorJson } from '../core/error.ts'
import { badLayers } from '../ops/cached-layers.ts'
import type { Cache } from '../solve/types.ts'

/** Which layers may be used. */
export type IsTrusted = (layer: Digest) => boolean

/** Runs `attempt` until it does not fail because of a layer that it was allowed to use. */
export async function withTrustedLayers<T>(
  cx: Context,
  attempt: (isTrusted: IsTrusted) => Promise<T>,
): Promise<T> {
  const bad = new Set<Digest>()
  for (;;) {
    try {
      return await attempt((layer) => !bad.has(layer))
    } catch (thrown) {
      const fresh = badLayers(thrown).filter((layer) => !bad.has(layer))
      if (fresh.length === 0) throw thrown
      for (const layer of fresh) bad.add(layer)
      const step = `cache:${fresh[0]}`
      cx.emit({ type: 'task-started', step, title: '[internal] build without a cached layer' })
      cx.emit({
        type: 'log',
        step,
        stream: 'stderr',
        text: `warning: ${errorJson(thrown).message}\n`,
      })
      cx.emit({ type: 'task-finished', step })
    }
  }
}

/** The cache without records that have a layer that is not trusted. */
export function trustedOnly(cache: Cache, isTrusted: IsTrusted): Cache {
  return {
    ...cache,
    async get(id) {
      const record = await cache.get(id)
      const isGood = record?.result.layers.every(
        (layer) => layer.kind !== 'blob' || isTrusted(layer.descriptor.digest),
      )
      return isGood === true ? record : undefined
    },
  }
}
