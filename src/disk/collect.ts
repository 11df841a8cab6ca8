// One collection from end to end: alone, on what is there now.
import { layoutPaths } from '../store/layout-paths.ts'
import { dropDeadLeases } from '../store/leases.ts'
import { acquireLock, type Lock, tryLock } from '../sys/lock.ts'
import { writeTally } from './due.ts'
import { takeInventory } from './inventory.ts'
import { choose, countedSize, isCounted, type Policy } from './policy.ts'
import { type Removed, removeItems, sweepAside } from './remove.ts'
import { roomOf } from './room.ts'
import { addSizes, type DiskHost, type Inventory, type Look, type Size } from './types.ts'

export interface Collection {
  readonly freed: Size
  readonly items: number
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
    const choice = choose(inventory, policies, roomOf(host.directory).free)
    const sizes: Size[] = []
    const counted: Size[] = []
    for await (const removed of removeItems(host, inventory, choice, look)) {
      sizes.push(removed.size)
      if (isCounted(removed.item)) counted.push(removed.size)
      onRemoved?.(removed)
    }
    await writeTally(host.directory, {
      version: 1,
      counted: less(countedSize(inventory), addSizes(counted)),
      used: roomOf(host.directory).used,
      atMs: look.nowMs,
    })
    return { freed: addSizes(sizes), items: sizes.length }
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}

function less(size: Size, gone: Size): Size {
  return {
    bytes: Math.max(0, size.bytes - gone.bytes),
    inodes: Math.max(0, size.inodes - gone.inodes),
  }
}
