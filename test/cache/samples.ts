// Keys and records for tests of caches.
import { digestOf } from '../../src/core/digest.ts'
import { cacheKey, keyId } from '../../src/solve/cache-key.ts'
import type { CacheKey, CacheRecord, LayerRef } from '../../src/solve/types.ts'

export function sampleKey(name: string): CacheKey {
  return cacheKey({ kind: 'merge', inputs: [] }, [digestOf(name)])
}

export function sampleRecord(name: string, snapshots: readonly string[] = [name]): CacheRecord {
  const key = sampleKey(name)
  const id = keyId(key)
  const layers = snapshots.map(
    (snapshot): LayerRef => ({ kind: 'snapshot', id: snapshot, created: '2026-01-01T00:00:00Z' }),
  )
  return { id, key, result: { id, layers }, created: '2026-01-01T00:00:00Z' }
}
