// Temporary files whose writers died. Writers hold the ingest lock shared; whoever gets it alone knows that none lives.
import { readdir, unlink } from 'node:fs/promises'
import { errnoOf } from '../core/error.ts'
import type { Native } from '../sys/native.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { ifUnlocked } from './locks.ts'
import { storageFailure } from './storage-failure.ts'

/** Removes what dead writers left; does nothing while anybody writes. */
export async function sweepIngest(paths: LayoutPaths, native: Native): Promise<void> {
  if ((await leftovers(paths)).length === 0) return
  await ifUnlocked(native, paths.ingestLock, async () => {
    for (const name of await leftovers(paths)) {
      await unlink(`${paths.ingest}/${name}`).catch((thrown: unknown) => {
        if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', `${paths.ingest}/${name}`, thrown)
      })
    }
  })
}

/** Names of temporary files that no living process writes; undefined while somebody writes. */
export async function staleTemps(paths: LayoutPaths, native: Native): Promise<readonly string[] | undefined> {
  if ((await leftovers(paths)).length === 0) return []
  return await ifUnlocked(native, paths.ingestLock, () => leftovers(paths))
}

async function leftovers(paths: LayoutPaths): Promise<readonly string[]> {
  try {
    return await readdir(paths.ingest)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw storageFailure('list', paths.ingest, thrown)
  }
}
