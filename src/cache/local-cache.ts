// The cache of a state directory: one immutable JSON file per record and alias, shared by any number of processes. Files appear by rename; a damaged one is a miss.
import { mkdirSync, readFileSync } from 'node:fs'
import { mkdir, utimes } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { type Digest, hexOf } from '../core/digest.ts'
import { errnoOf } from '../core/error.ts'
import type { Cache, CacheRecord } from '../solve/types.ts'
import { layoutPaths } from '../store/layout-paths.ts'
import { withLock } from '../store/locks.ts'
import { writeUnsynced } from '../store/replace-file.ts'
import { onDisk } from '../store/storage-failure.ts'
import type { Native } from '../sys/native.ts'
import { syncFileSystem } from '../sys/sync.ts'
import { decodeEntry, type Entry, encodeEntry } from './entry.ts'
import { findRecord, type LayerPresence } from './find-record.ts'
import { publisher } from './publisher.ts'

export interface LocalCacheOptions extends LayerPresence {
  readonly native: Native
  /** After it resolves, every snapshot committed before survives a power cut. */
  sync(): Promise<void>
  /** At least this long between two syncs while a build runs. */
  readonly publishIntervalMs?: number
}

const defaultIntervalMs = 1000

/** The cache under `root` (`records/`, `locks/`), made when missing. What is put reaches the disk only behind a `sync`. */
export async function openLocalCache(root: string, options: LocalCacheOptions): Promise<Cache> {
  const { native } = options
  const paths = layoutPaths(root)
  const own = new Map<Digest, Entry>()
  const background = new Set<Promise<void>>()
  const recordPath = (id: Digest): string => `${root}/records/${hexOf(id).slice(0, 2)}/${hexOf(id)}.json`
  await onDisk('open cache', root, async () => {
    for (const directory of [`${root}/records`, paths.locks, paths.ingest]) {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
    }
  })

  const files = publisher({
    barrier: options.sync,
    intervalMs: options.publishIntervalMs ?? defaultIntervalMs,
    write: (batch) =>
      // Shared with everybody who has a temporary file there: keeps the sweep away.
      withLock(native, { path: paths.ingestLock, shared: true }, async () => {
        for (const [path, text] of batch) {
          await onDisk('write cache record', path, () => writeMakingParent(paths.ingest, path, text))
          // Batches may be large, and steps are waiting for this thread.
          await setImmediate()
        }
      }),
  })
  const publish = (id: Digest, entry: Entry): void => {
    own.set(id, entry)
    files.add(recordPath(id), encodeEntry(entry), { needsBarrier: 'record' in entry })
  }
  const later = (work: Promise<void>): void => {
    background.add(work)
    void work.finally(() => background.delete(work))
  }
  const read = async (id: Digest): Promise<Entry | undefined> => {
    const known = own.get(id)
    if (known !== undefined) return known
    const text = await readText(recordPath(id))
    return text === undefined ? undefined : decodeEntry(text, id)
  }

  return {
    get: async (id) => {
      const record = await findRecord(id, read, options)
      if (record !== undefined) later(touch(recordPath(record.id)))
      return record
    },
    put: async (record: CacheRecord, aliases) => {
      publish(record.id, { record })
      for (const id of aliases) if (id !== record.id) publish(id, { alias: record.id })
    },
    alias: async (id, record) => {
      const known = own.get(id)
      const isKnown = known !== undefined && 'alias' in known && known.alias === record.id
      if (id !== record.id && !isKnown) publish(id, { alias: record.id })
    },
    exclusive: (id, signal, body) =>
      new Promise((resolve, reject) => {
        const held = withLock(
          native,
          { path: `${paths.locks}/op-${hexOf(id)}`, remove: true, signal },
          async () => {
            signal.throwIfAborted()
            const known = own.size
            resolve(await body())
            // Others would not find what is still queued, and make it again. This process goes on meanwhile.
            if (own.size > known) await files.settled()
          },
        )
        later(held.catch(reject))
      }),
    flush: async () => {
      const isDirty = files.isDirty()
      await Promise.all([files.drain(), ...background])
      if (isDirty) await onDisk('sync', root, () => syncFileSystem(root, native))
    },
  }
}

async function writeMakingParent(temp: string, path: string, text: string): Promise<void> {
  try {
    await writeUnsynced(path, text, temp)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
    // Not with its parents, which are there: of a quota that is used up, Node's recursive mkdir says ENOENT.
    await mkdir(path.slice(0, path.lastIndexOf('/')), { mode: 0o700 }).catch((made: unknown) => {
      if (errnoOf(made) !== 'EEXIST') throw made
    })
    await writeUnsynced(path, text, temp)
  }
}

// On this thread: the files are small, and a trip to libuv's pool costs ten times what reading one does.
async function readText(path: string): Promise<string | undefined> {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    return await onDisk('read cache record', path, () => Promise.reject(thrown))
  }
}

// A record's modification time is its last use, for whoever evicts. Losing one update loses nothing.
async function touch(path: string): Promise<void> {
  const seconds = (performance.timeOrigin + performance.now()) / 1000
  await utimes(path, seconds, seconds).catch(() => undefined)
}
