// Everything in a state directory: what is there, who needs it, who needs it now, and since when nobody did.
import { layoutPaths } from '../store/layout-paths.ts'
import { type Part, readPins } from '../store/leases.ts'
import type { Draft } from './draft.ts'
import { imageDrafts, withReachable } from './images.ts'
import { archivesOf } from './needs.ts'
import { otherDrafts } from './others.ts'
import { recordDrafts } from './records.ts'
import { storedParts } from './stored-parts.ts'
import { addSizes, type DiskHost, type Inventory, type Item, type Look, type StoredPart } from './types.ts'

/** What is there at about this moment; others may be changing it. Sizes of snapshots that were not measured before are. */
export async function takeInventory(host: DiskHost, look: Look): Promise<Inventory> {
  const { directory } = host
  const parts = await storedParts(host, look)
  const madeOf = archivesOf(directory)
  const drafts = [
    ...recordDrafts(directory, madeOf),
    ...(await imageDrafts(directory)),
    ...(await otherDrafts(host, madeOf)),
  ]
  const all = [...drafts, ...orphans(drafts, parts)]
  // Last: what is pinned by now was looked for before, or has come since and is not among the parts.
  const paths = layoutPaths(directory)
  const pins = withReachable(paths, readPins(paths))
  const items = itemsFrom(all, parts, { pins, nowMs: look.nowMs })
  const owners = ownersOf(items)
  const total = addSizes([...items.map(({ own }) => own), ...[...parts.values()].map(({ size }) => size)])
  return { items, parts, owners, total }
}

/** An item for each part that nobody needs: its record was removed or never written. */
function orphans(drafts: readonly Draft[], parts: ReadonlyMap<Part, StoredPart>): readonly Draft[] {
  const needed = new Set(drafts.flatMap(({ layers }) => layers.flat()))
  return [...parts.values()]
    .filter(({ part }) => !needed.has(part))
    .map(({ part, modifiedMs }) => ({
      id: part.slice(part.indexOf(':') + 1),
      type: 'regular',
      description: part.startsWith('snapshot:') ? 'layer of no record' : 'blob of no image or record',
      layers: [[part]],
      own: { bytes: 0, inodes: 0 },
      createdMs: modifiedMs,
      usedMs: modifiedMs,
      removal: { kind: 'parts' },
    }))
}

function itemsFrom(
  drafts: readonly Draft[],
  stored: ReadonlyMap<Part, StoredPart>,
  { pins, nowMs }: { readonly pins: ReadonlySet<Part>; readonly nowMs: number },
): readonly Item[] {
  const named = new Set(
    drafts.flatMap(({ names, layers }) => (names === undefined || names.length === 0 ? [] : layers.flat())),
  )
  // A build that finds its last step does not touch the records below: what it was made from was of use as well.
  const lastUse = new Map<Part, number>()
  const usedMs = (draft: Draft): number => Math.min(draft.usedMs, nowMs)
  for (const draft of drafts) {
    if (draft.type === 'image') continue
    for (const part of draft.layers.flat()) {
      lastUse.set(part, Math.max(lastUse.get(part) ?? 0, usedMs(draft)))
    }
  }
  return drafts.map((draft) => {
    const { layers, usedMs: _usedMs, ...rest } = draft
    const parts = layers.flat().filter((part) => stored.has(part))
    const top = layers.at(-1) ?? []
    const uses = draft.type === 'image' ? [] : top.map((part) => lastUse.get(part) ?? 0)
    return {
      ...rest,
      parents: draft.parents ?? [],
      names: draft.names ?? [],
      isMutable: draft.isMutable ?? false,
      parts,
      lastUsedMs: Math.max(usedMs(draft), ...uses),
      isShared: draft.type !== 'image' && top.some((part) => named.has(part)),
      // Of what only shares a base image with a running build nothing is needed but that.
      isInUse: (draft.type === 'image' ? top.slice(0, 1) : top).some((part) => pins.has(part)),
    }
  })
}

function ownersOf(items: readonly Item[]): ReadonlyMap<Part, Item> {
  const owners = new Map<Part, Item>()
  for (const item of items) {
    for (const part of item.parts) {
      const other = owners.get(part)
      if (other === undefined || rank(item) < rank(other)) owners.set(part, item)
    }
  }
  return owners
}

/** A step's archive is the step's although an image has it too: what the image takes is told beside. */
function rank(item: Item): number {
  return item.type === 'image' ? Number.POSITIVE_INFINITY : item.parts.length
}

/** What an item takes: its own files and the parts that are counted with it. */
export function sizeOf(
  inventory: Inventory,
  item: Item,
): { readonly bytes: number; readonly inodes: number } {
  const parts = new Set(item.parts.filter((part) => inventory.owners.get(part) === item))
  return addSizes([
    item.own,
    ...[...parts].flatMap((part) => {
      const stored = inventory.parts.get(part)
      return stored === undefined ? [] : [stored.size]
    }),
  ])
}
