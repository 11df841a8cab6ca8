// What `slipway du` and `slipway prune` work on: the state directory of a host.
import { join } from 'node:path'
import { invariant, SlipwayError } from '../core/error.ts'
import { type Collection, collectDisk } from '../disk/collect.ts'
import { filterFrom } from '../disk/filter.ts'
import { sizeOf, takeInventory } from '../disk/inventory.ts'
import type { Bounds } from '../disk/policy.ts'
import { policiesFor } from '../disk/settings.ts'
import type { DiskHost, Inventory, Item, Look, Size } from '../disk/types.ts'
import type { RecordStep } from '../solve/types.ts'
import { hostFailedStates } from './failures.ts'
import type { Host } from './host.ts'

export { filterFrom }

/** The host's state directory as something that can be measured and collected. */
export function diskHost(host: Host): DiskHost {
  const { directory, native, options } = host
  return {
    directory,
    native,
    logs: [join(directory, 'logs'), join(options.root, 'logs')],
    readOnly: options.readOnly ?? false,
    forgetFailed: (id) => hostFailedStates(host).remove(id),
  }
}

export interface PruneRequest {
  /** Of `--filter`. */
  readonly filters: readonly string[]
  readonly all: boolean
  readonly bounds: Bounds
  onRemoved(row: UsageRow): void
}

/** Takes away what the request says and nobody needs; waits for whoever is doing the same. Throws ERR_FILTER. */
export async function prune(host: Host, request: PruneRequest, look: Look): Promise<Collection> {
  const { filters, all, bounds, onRemoved } = request
  const policy = { filter: filterFrom(filters, look.nowMs), all, bounds }
  await sweepHost(host)
  const collected = await collectDisk(
    diskHost(host),
    { policies: [policy], wait: true, onRemoved: ({ item, size }) => onRemoved({ item, ...size }) },
    look,
  )
  invariant(collected !== undefined, 'a collection that waits did not happen')
  return collected
}

/** Takes away what the usual rules say, unless somebody else is doing so. */
export async function collect(
  host: Host,
  bounds: Bounds,
  look: Look & { onRemoved(): void },
): Promise<Collection | undefined> {
  const policies = policiesFor(bounds, look.nowMs)
  return await collectDisk(diskHost(host), { policies, wait: false, onRemoved: look.onRemoved }, look)
}

/** What is half-made of dead builds goes first. */
async function sweepHost({ snapshotter }: Host): Promise<void> {
  try {
    await snapshotter.sweep()
  } catch (thrown) {
    // A full disk cannot take the note that this was done; that is what the collection is for.
    if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_STORE_FULL') throw thrown
  }
}

/** An item with what is counted with it. */
export interface UsageRow extends Size {
  readonly item: Item
}

export interface Usage {
  /** The largest first. */
  readonly rows: readonly UsageRow[]
  readonly total: Size
  readonly inventory: Inventory
}

/** Everything in the state directory. */
export async function usageOf(host: Host, look: Look): Promise<Usage> {
  const inventory = await takeInventory(diskHost(host), look)
  const rows = inventory.items.map((item) => ({ item, ...sizeOf(inventory, item) }))
  return { rows: rows.sort((a, b) => b.bytes - a.bytes), total: inventory.total, inventory }
}

/** All that one step of one build has made and that is still there. */
export interface StepRow extends Size {
  readonly step: RecordStep
  /** As many results: one for each way in which the step was ever run. */
  readonly records: number
  readonly lastUsedMs: number
  /** Of all of them. */
  readonly tookMs: number
}

/** What each step takes, the largest first. */
export function usageBySteps({ rows }: Usage): readonly StepRow[] {
  const steps = new Map<string, StepRow>()
  for (const { item, bytes, inodes } of rows) {
    const { step, lastUsedMs, tookMs = 0 } = item
    if (step === undefined) continue
    const key = JSON.stringify([step.build, step.stage, step.ordinal])
    const known = steps.get(key)
    steps.set(key, {
      // The newest knows best on which line the step is.
      step: known === undefined || lastUsedMs > known.lastUsedMs ? step : known.step,
      records: (known?.records ?? 0) + 1,
      lastUsedMs: Math.max(known?.lastUsedMs ?? 0, lastUsedMs),
      tookMs: (known?.tookMs ?? 0) + tookMs,
      bytes: (known?.bytes ?? 0) + bytes,
      inodes: (known?.inodes ?? 0) + inodes,
    })
  }
  return [...steps.values()].sort((a, b) => b.bytes - a.bytes)
}

/** What an image takes: its blobs, those no other image has, and what the cache keeps for its layers. */
export interface ImageUsageRow {
  readonly names: readonly string[]
  readonly digest: string
  readonly bytes: number
  readonly uniqueBytes: number
  readonly cacheBytes: number
}

/** What each image takes, the largest first. */
export function usageByImages({ inventory, rows }: Usage): readonly ImageUsageRow[] {
  const images = inventory.items.filter(({ type }) => type === 'image')
  const users = new Map<string, number>()
  for (const { parts } of images) for (const part of parts) users.set(part, (users.get(part) ?? 0) + 1)
  return images
    .map(({ id, names, parts }) => {
      const sizes = parts.map((part) => ({ part, bytes: inventory.parts.get(part)?.size.bytes ?? 0 }))
      const own = new Set(parts)
      const cached = rows.filter(
        ({ item }) => item.type !== 'image' && item.parts.some((part) => own.has(part)),
      )
      const beside = new Set(cached.flatMap(({ item }) => item.parts.filter((part) => !own.has(part))))
      const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
      return {
        names,
        digest: id,
        bytes: sum(sizes.map(({ bytes }) => bytes)),
        uniqueBytes: sum(sizes.flatMap(({ part, bytes }) => (users.get(part) === 1 ? [bytes] : []))),
        cacheBytes: sum([...beside].map((part) => inventory.parts.get(part)?.size.bytes ?? 0)),
      }
    })
    .sort((a, b) => b.bytes - a.bytes)
}
