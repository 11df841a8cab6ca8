// One collection from end to end: alone, on what is there now.
import { statfsSync } from 'node:fs'
import { layoutPaths } from '../store/layout-paths.ts'
import { dropDeadLeases } from '../store/leases.ts'
import { storageFailure } from '../store/storage-failure.ts'
import { acquireLock, type Lock, tryLock } from '../sys/lock.ts'
import { takeInventory } from './inventory.ts'
import { choose, type Free, type Policy } from './policy.ts'
import { type Removed, removeItems, sweepAside } from './remove.ts'
import { addSizes, type DiskHost, type Inventory, type Look, type Size } from './types.ts'

export interface Collection {
  readonly freed: Size
  readonly items: number
  /** Of what is left, as far as it was there when the collection began. */
  readonly left: Size
}

export interface CollectOptions {
  readonly policies: readonly Policy[]
  /** Another collector is waited for; otherwise its work is as good as this one's. */
  readonly wait: boolean
  onRemoved?(removed: Removed): void
}

/** Takes away what the policies say; undefined when another process is doing so and is not waited for. */
export async function collectDisk(
  host: DiskHost,
  { policies, wait, onRemoved }: CollectOptions,
  look: Look,
): Promise<Collection | undefined> {
  const { collectLock } = layoutPaths(host.directory)
  const { native } = host
  const lock: Lock | undefined = wait
    ? await acquireLock(collectLock, { native, signal: look.signal })
    : await tryLock(collectLock, { native })
  if (lock === undefined) return undefined
  try {
    await dropDeadLeases(layoutPaths(host.directory), native)
    await sweepAside(host)
    const inventory: Inventory = await takeInventory(host, look)
    const choice = choose(inventory, policies, freeOf(host.directory))
    const sizes: Size[] = []
    for await (const removed of removeItems(host, inventory, choice, look)) {
      sizes.push(removed.size)
      onRemoved?.(removed)
    }
    const freed = addSizes(sizes)
    const { total } = inventory
    const left = { bytes: total.bytes - freed.bytes, inodes: total.inodes - freed.inodes }
    return { freed, items: sizes.length, left }
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}

/** What a file system has, and what of it can still be used; of inodes infinitely many where there is no limit. */
export interface Room {
  readonly total: Size
  readonly free: Free
  readonly used: Size
}

/** Of the file system of `directory`. */
export function roomOf(directory: string): Room {
  try {
    const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(directory)
    const isLimited = files > 0
    const none = Number.POSITIVE_INFINITY
    return {
      total: { bytes: blocks * bsize, inodes: isLimited ? files : none },
      free: { bytes: bavail * bsize, inodes: isLimited ? ffree : none },
      used: { bytes: (blocks - bfree) * bsize, inodes: isLimited ? files - ffree : 0 },
    }
  } catch (thrown) {
    throw storageFailure('look at', directory, thrown)
  }
}

function freeOf(directory: string): Free {
  return roomOf(directory).free
}
