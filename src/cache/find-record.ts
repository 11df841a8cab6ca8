// Following aliases to a record that can really be used.
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { CacheRecord, LayerRef } from '../solve/types.ts'
import type { Entry } from './entry.ts'

// Definition → key → forced result: longer chains do not occur, cycles only by damage.
const mostAliases = 4

/** Whether a layer is still on this machine. */
export interface LayerPresence {
  hasSnapshot(id: string): Promise<boolean>
  /** Also of a remote cache's layer, which need not stay where it could be fetched from. */
  hasArchive(descriptor: Descriptor): Promise<boolean>
  /** Told of all layers before each is looked for. */
  expect?(layers: readonly LayerRef[]): void
}

/** The record that `id` leads to; undefined when the chain breaks or a layer made here is gone. Blobs of base images count as there: they can be fetched. */
export async function findRecord(
  id: Digest,
  read: (id: Digest) => Promise<Entry | undefined>,
  presence: LayerPresence,
): Promise<CacheRecord | undefined> {
  let entry = await read(id)
  for (let i = 0; i < mostAliases && entry !== undefined && 'alias' in entry; i++) {
    entry = await read(entry.alias)
  }
  if (entry === undefined || 'alias' in entry) return undefined
  const { record } = entry
  presence.expect?.(record.result.layers)
  const present = await Promise.all(
    record.result.layers.map((layer) => {
      if (layer.kind === 'snapshot') return presence.hasSnapshot(layer.id)
      const isHeld = layer.kind === 'archive' || (layer.kind === 'blob' && layer.created !== undefined)
      return isHeld ? presence.hasArchive(layer.descriptor) : true
    }),
  )
  return present.every(Boolean) ? record : undefined
}
