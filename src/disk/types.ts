// What a state directory holds, as values: parts, which lie there once, and items, which need them.
import type { Digest } from '../core/digest.ts'
import type { RecordStep } from '../solve/types.ts'
import type { Part } from '../store/leases.ts'
import type { Native } from '../sys/native.ts'

/** Of a file system: blocks in bytes, not lengths, and inodes. */
export interface Size {
  readonly bytes: number
  readonly inodes: number
}

/** BuildKit's types of records, and images. Internal is what people ask for after failures and what saves questions. */
export const itemTypes = [
  'regular',
  'internal',
  'frontend',
  'source.local',
  'source.git.checkout',
  'exec.cachemount',
  'image',
] as const

export type ItemType = (typeof itemTypes)[number]

/** How an item is taken away; its parts go when nobody else needs them. */
export type Removal =
  /** Files, in this order. */
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  /** A directory of which `lockPath` is locked by whoever uses it. */
  | { readonly kind: 'directory'; readonly path: string; readonly lockPath: string }
  /** The entry of an image that has no name. */
  | { readonly kind: 'image'; readonly digest: Digest }
  | { readonly kind: 'failed'; readonly id: string }
  /** There is nothing but its parts. */
  | { readonly kind: 'parts' }

export interface Item {
  /** A digest, or the name of what it is; unique among the items of its type. */
  readonly id: string
  readonly type: ItemType
  readonly description: string
  /** The line of a Dockerfile that made it. */
  readonly step?: RecordStep
  /** Ids of the items it was made from. */
  readonly parents: readonly string[]
  /** What has to stay for it, bottom first. */
  readonly parts: readonly Part[]
  /** What it takes beside its parts. */
  readonly own: Size
  readonly createdMs: number
  /** Not in the future, whatever the clock said when it was used; of what others are made from, not before their last use. */
  readonly lastUsedMs: number
  /** How long the step ran that made it. */
  readonly tookMs?: number
  readonly isMutable: boolean
  /** Part of an image that has a name. */
  readonly isShared: boolean
  /** A running command needs it. */
  readonly isInUse: boolean
  /** An image with a name: only `slipway rmi` takes it away. */
  readonly names: readonly string[]
  readonly removal: Removal
}

/** A snapshot or a blob that is there. */
export interface StoredPart {
  readonly part: Part
  /** Its directory or file. */
  readonly path: string
  readonly size: Size
  readonly modifiedMs: number
}

export interface Inventory {
  readonly items: readonly Item[]
  readonly parts: ReadonlyMap<Part, StoredPart>
  /** Which item each part is counted with: the one that needs the fewest others, an image last. */
  readonly owners: ReadonlyMap<Part, Item>
  readonly total: Size
}

/** What is looked at and collected. */
export interface DiskHost {
  /** `<root>/store-v1`. */
  readonly directory: string
  readonly native: Native
  /** Directories of logs, each of which is a file. */
  readonly logs: readonly string[]
  /** Sizes that were measured are not written down. */
  readonly readOnly?: boolean
  /** Takes away what a failed step left, unless somebody works in it. */
  forgetFailed(id: string): Promise<boolean>
}

/** The clock and the end of a command. */
export interface Look {
  readonly nowMs: number
  readonly signal: AbortSignal
}

/** The sum. */
export function addSizes(sizes: Iterable<Size>): Size {
  let bytes = 0
  let inodes = 0
  for (const size of sizes) {
    bytes += size.bytes
    inodes += size.inodes
  }
  return { bytes, inodes }
}
