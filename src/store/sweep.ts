// What processes that died have left of temporary files and locks. Writers hold the ingest lock shared; whoever gets it
// alone knows that none lives.
import { readdirSync, unlinkSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { errnoOf } from '../core/error.ts'
import { tryLockSync } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { ifUnlocked } from './locks.ts'
import { onDisk, storageFailure } from './storage-failure.ts'

/** Removes what dead writers left; does nothing while anybody writes. */
export async function sweepIngest(paths: LayoutPaths, native: Native): Promise<void> {
  if (leftovers(paths).length === 0) return
  await ifUnlocked(native, paths.ingestLock, async () => {
    for (const name of leftovers(paths)) {
      await unlink(`${paths.ingest}/${name}`).catch((thrown: unknown) => {
        if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', `${paths.ingest}/${name}`, thrown)
      })
    }
  })
}

/** Locks that go with their last use (locks.ts): of steps, blobs and caches that are made. */
const passing = /^(?:op|blob)-[0-9a-f]{64}$|-make$/

/** Removes the files of locks that were held by dead processes only. */
export async function sweepLocks(paths: LayoutPaths, native: Native): Promise<void> {
  for (const name of namesIn(paths.locks)) {
    if (!passing.test(name)) continue
    const path = `${paths.locks}/${name}`
    await onDisk('remove', path, async () => {
      using lock = tryLockSync(path, { native })
      // While it is held: whoever waits for it sees that it is gone.
      if (lock !== undefined) unlinkSync(path)
    })
  }
}

/** Names of temporary files that no living process writes; undefined while somebody writes. */
export async function staleTemps(paths: LayoutPaths, native: Native): Promise<readonly string[] | undefined> {
  if (leftovers(paths).length === 0) return []
  return await ifUnlocked(native, paths.ingestLock, async () => leftovers(paths))
}

function leftovers(paths: LayoutPaths): readonly string[] {
  return namesIn(paths.ingest)
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw storageFailure('list', directory, thrown)
  }
}
