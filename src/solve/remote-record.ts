// What is kept of a result that a remote cache had for an op's definition, before anybody knew the op's inputs.
import { digestOfJson } from '../core/canonical-json.ts'
import type { Digest } from '../core/digest.ts'
import type { Op } from '../graph/op.ts'
import { cacheKey } from './cache-key.ts'
import type { CacheRecord, LayerRef } from './types.ts'

/** The record of these layers. Its id follows from their content, so that what is built on them is found again however they were found. */
export function importedRecord(
  op: Op,
  layers: readonly LayerRef[],
  { definition, now }: { readonly definition: Digest; readonly now: string },
): CacheRecord {
  const content = layers.map((layer) => (layer.kind === 'blob' ? layer.diffId : layer))
  const id = digestOfJson({ imported: definition, layers: content })
  return { id, key: cacheKey(op, []), result: { id, layers }, created: now, imported: true }
}
