// Following aliases to a record that can really be used.
import type { Digest } from '../core/digest.ts'
import type { CacheRecord } from '../solve/types.ts'
import type { Entry } from './entry.ts'

// Definition → key → forced result: longer chains do not occur, cycles only by damage.
const mostAliases = 4

/** The record that `id` leads to; undefined when the chain breaks or one of its snapshots is gone. Blobs count as there: they can be fetched. */
export async function findRecord(
  id: Digest,
  read: (id: Digest) => Promise<Entry | undefined>,
  hasSnapshot: (id: string) => Promise<boolean>,
): Promise<CacheRecord | undefined> {
  let entry = await read(id)
  for (let i = 0; i < mostAliases && entry !== undefined && 'alias' in entry; i++) {
    entry = await read(entry.alias)
  }
  if (entry === undefined || 'alias' in entry) return undefined
  const { record } = entry
  const snapshots = record.result.layers.flatMap((layer) => (layer.kind === 'snapshot' ? [layer.id] : []))
  const present = await Promise.all(snapshots.map(hasSnapshot))
  return present.every(Boolean) ? record : undefined
}
