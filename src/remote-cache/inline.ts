// The cache inside of an image: records whose layers are the image's own.
import { type CacheConfig, encodeInlineRecords } from '../buildkit/cache-config.ts'
import { composeConfig, type ExportedOp } from '../buildkit/compose.ts'
import type { Digest } from '../core/digest.ts'
import type { ImageConfig } from '../image/types.ts'
import { inlineMember } from './load.ts'

/** The config with records of `ops`, whose results name layers by diff id; those that are not the image's are left out. */
export function withInlineCache(config: ImageConfig, ops: readonly ExportedOp[]): ImageConfig {
  const { diff_ids: diffIds } = config.rootfs
  const fitting = ops.map(
    ({ result, ...op }): ExportedOp =>
      result?.layers.every((diffId) => diffIds.includes(diffId)) ? { ...op, result } : op,
  )
  const composed = composeConfig(fitting)
  const layers = diffIds.map((blob, index) => ({ blob, parent: index - 1 }))
  const records = composed.records.map((record) => ({
    ...record,
    results: record.results.map((result) => ({
      ...result,
      layers: placesOf(
        result.layers.map((index) => composed.layers[index]?.blob),
        diffIds,
      ),
    })),
  }))
  const inline: CacheConfig = { layers, records }
  return { ...config, [inlineMember]: Buffer.from(encodeInlineRecords(inline)).toString('base64') }
}

/** Where layers are in an image: at its bottom if they are that, else wherever each is. */
function placesOf(chain: readonly (Digest | undefined)[], diffIds: readonly Digest[]): readonly number[] {
  const isBottom = chain.every((diffId, index) => diffId === diffIds[index])
  return chain.map((diffId, index) => (isBottom || diffId === undefined ? index : diffIds.indexOf(diffId)))
}
