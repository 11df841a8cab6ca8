// A cache that lives as long as its process: for tests, and for builds that must not leave records.
import type { Digest } from '../core/digest.ts'
import type { Cache } from '../solve/types.ts'
import type { Entry } from './entry.ts'
import { findRecord } from './find-record.ts'

/** An empty cache. `hasSnapshot` decides whether a record's layers are still there. */
export function openMemoryCache(
  hasSnapshot: (id: string) => Promise<boolean> = () => Promise.resolve(true),
): Cache {
  const entries = new Map<Digest, Entry>()
  const locks = new Map<Digest, Promise<unknown>>()
  return {
    get: (id) =>
      findRecord(id, (at) => Promise.resolve(entries.get(at)), {
        hasSnapshot,
        hasArchive: () => Promise.resolve(true),
      }),
    put: async (record, aliases) => {
      entries.set(record.id, { record })
      for (const id of aliases) if (id !== record.id) entries.set(id, { alias: record.id })
    },
    alias: async (id, record) => {
      if (id !== record.id) entries.set(id, { alias: record.id })
    },
    exclusive: async (id, signal, body) => {
      const before = locks.get(id) ?? Promise.resolve()
      const turn = before.then(() => {
        signal.throwIfAborted()
        return body()
      })
      const settled = turn.catch(() => undefined)
      locks.set(id, settled)
      return turn
    },
    flush: () => Promise.resolve(),
  }
}
