// What to take away: BuildKit's rules and words. Values only; nothing is looked at or removed here.
import type { Part } from '../store/leases.ts'
import type { Filter } from './filter.ts'
import { sizeOf } from './inventory.ts'
import { addSizes, type Inventory, type Item, type Size } from './types.ts'

/** Bounds of what the cache may take; absent or 0: none. */
export interface Bounds {
  /** Never less than this is kept, whatever the others ask for. */
  readonly reservedBytes?: number
  /** Never more than this is kept. */
  readonly maxUsedBytes?: number
  /** So much of the file system shall be free. */
  readonly minFreeBytes?: number
  readonly maxInodes?: number
  readonly minFreeInodes?: number
}

export interface Policy {
  readonly filter: Filter
  /** Also what is internal, and the cache of images that have names. */
  readonly all: boolean
  readonly bounds: Bounds
}

/** What the file system has left. */
export type Free = Size

/** How much may stay; undefined: there are no bounds, everything that the policy is about goes. */
export function keptSize(total: Size, free: Free, bounds: Bounds): Size | undefined {
  const bytes = kept(total.bytes, free.bytes, {
    max: bounds.maxUsedBytes,
    minFree: bounds.minFreeBytes,
    reserved: bounds.reservedBytes,
  })
  const inodes = kept(total.inodes, free.inodes, {
    max: bounds.maxInodes,
    minFree: bounds.minFreeInodes,
    reserved: undefined,
  })
  if (bytes === undefined && inodes === undefined) return undefined
  const all = Number.POSITIVE_INFINITY
  return { bytes: bytes ?? all, inodes: inodes ?? all }
}

interface Bound {
  readonly max: number | undefined
  readonly minFree: number | undefined
  readonly reserved: number | undefined
}

/** As calculateKeepBytes of BuildKit's cache manager; undefined where nothing is asked for. */
function kept(
  total: number,
  free: number,
  { max = 0, minFree = 0, reserved = 0 }: Bound,
): number | undefined {
  if (max === 0 && minFree === 0 && reserved === 0) return undefined
  const excess = minFree - free
  let keep = max
  if (excess > 0) keep = max === 0 ? total - excess : Math.min(max, total - excess)
  else if (minFree !== 0 && max === 0) keep = total
  return Math.max(keep, reserved)
}

/** What counts against the bounds: not what images with names need anyway. */
export function countedSize(inventory: Inventory): Size {
  const counted = inventory.items.filter(isCounted)
  return addSizes(counted.map((item) => sizeOf(inventory, item)))
}

/** Whether an item counts against the bounds. */
export function isCounted({ isShared, names }: Item): boolean {
  return !isShared && names.length === 0
}

export interface Choice {
  /** In the order in which they are to go. */
  readonly items: readonly Item[]
  /** Of each item, the parts that nobody needs when it is gone. */
  readonly released: ReadonlyMap<Item, readonly Part[]>
  /** Without what stays because somebody needs it meanwhile. */
  readonly freed: Size
}

/** What goes by the policies, one after the other: the longest unused first, what others were made from after those. */
export function choose(inventory: Inventory, policies: readonly Policy[], free: Free): Choice {
  const users = new Map<Part, number>()
  for (const { parts } of inventory.items) {
    for (const part of new Set(parts)) users.set(part, (users.get(part) ?? 0) + 1)
  }
  const chosen = new Set<Item>()
  const released = new Map<Item, readonly Part[]>()
  const total = countedSize(inventory)
  const freed: Size[] = []
  const take = (item: Item): void => {
    const parts = [...new Set(item.parts)].filter((part) => {
      const left = (users.get(part) ?? 0) - 1
      users.set(part, left)
      return left === 0
    })
    chosen.add(item)
    released.set(item, parts)
    freed.push(item.own, ...parts.flatMap((part) => inventory.parts.get(part)?.size ?? []))
  }
  const order = inventory.items.toSorted(
    (a, b) => a.lastUsedMs - b.lastUsedMs || b.parts.length - a.parts.length,
  )
  for (const policy of policies) {
    const gone = addSizes(freed)
    const left = { bytes: total.bytes - gone.bytes, inodes: total.inodes - gone.inodes }
    const more = { bytes: free.bytes + gone.bytes, inodes: free.inodes + gone.inodes }
    const keep = keptSize(left, more, policy.bounds)
    let { bytes, inodes } = left
    for (const item of order) {
      if (keep !== undefined && bytes <= keep.bytes && inodes <= keep.inodes) break
      if (chosen.has(item) || !mayGo(item, policy.all) || !policy.filter(item)) continue
      const before = freed.length
      take(item)
      const now = addSizes(freed.slice(before))
      bytes -= now.bytes
      inodes -= now.inodes
    }
  }
  return { items: [...chosen], released, freed: addSizes(freed) }
}

function mayGo({ isInUse, names, type, isShared }: Item, all: boolean): boolean {
  if (isInUse || names.length > 0) return false
  return all || (type !== 'internal' && type !== 'frontend' && !isShared)
}
