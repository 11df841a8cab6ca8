// Directories to make layers in, each `active/<random>` with `active/<random>.lock` held by the process that works in it, and
// what dead processes left of theirs. What is done in them is the business of spare-workspaces.ts and overlay-snapshotter.ts.
import { randomBytes } from 'node:crypto'
import { mkdirSync, unlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { errnoOf } from '../core/error.ts'
import { onDisk, storageFailure } from '../store/storage-failure.ts'
import { type Lock, tryLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import { removeTree } from './remove-tree.ts'

/** A directory that no sweep touches until it is removed, or this process ends. */
export interface Workspace {
  readonly path: string
  /** Takes it away with all that is in it, and its name is free. */
  remove(): Promise<void>
}

/** A new, empty one in the directory `active`. */
export async function makeWorkspace(active: string, native: Native): Promise<Workspace> {
  let path: string
  let lock: Lock | undefined
  // Locked before it exists: a directory whose lock is free belongs to nobody. Whoever sweeps such locks away may have
  // taken one between its making and its locking; then that name is not used.
  do {
    path = `${active}/${randomBytes(16).toString('hex')}`
    lock = await tryLock(lockPath(path), { native })
  } while (lock === undefined)
  const workspace = workspaceAt(path, lock)
  try {
    await onDisk('create', path, async () => mkdirSync(path, { mode: 0o700 }))
    return workspace
  } catch (thrown) {
    await workspace.remove()
    throw thrown
  }
}

/** Removes those in `active` whose processes died; what living ones work on stays. */
export async function sweepWorkspaces(active: string, native: Native): Promise<void> {
  const found = await onDisk('list', active, () => readdir(active))
  // A process may have died when it had no more than the lock.
  for (const name of new Set(found.map((file) => file.replace(/\.lock$/, '')))) {
    const path = `${active}/${name}`
    const lock = await tryLock(lockPath(path), { native })
    if (lock !== undefined) await workspaceAt(path, lock).remove()
  }
}

function workspaceAt(path: string, lock: Lock): Workspace {
  let isReleased = false
  return {
    path,
    async remove() {
      try {
        await onDisk('remove', path, () => removeTree(path))
      } finally {
        if (!isReleased) {
          isReleased = true
          await release(path, lock)
        }
      }
    },
  }
}

async function release(path: string, lock: Lock): Promise<void> {
  // Nobody else ever makes this name, so the file may go while it is still locked.
  try {
    unlinkSync(lockPath(path))
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', lockPath(path), thrown)
  }
  await lock[Symbol.asyncDispose]()
}

function lockPath(path: string): string {
  return `${path}.lock`
}
