// Taking items away, in an order that may be cut off anywhere. What names a thing goes before the thing: a record, an
// entry of the index, an alias. What is then left of it is a part that nobody needs, which the next collection finds.
// A power cut keeps that order: file systems that journal names write renames and removals down in the order in which
// they were made, and who reads a record whose layer is gone takes it for none (find-record.ts), whatever the disk did.
// Nothing here makes a file, so that it works where there is no room for one.
import { randomBytes } from 'node:crypto'
import { renameSync, unlinkSync } from 'node:fs'
import type { Digest } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { removeTree } from '../snapshot/remove-tree.ts'
import { withoutEntry } from '../store/index-entries.ts'
import { updateIndex } from '../store/index-file.ts'
import { type LayoutPaths, layoutPaths } from '../store/layout-paths.ts'
import { type Part, readPins } from '../store/leases.ts'
import { ifUnlocked, withLock } from '../store/locks.ts'
import { storageFailure } from '../store/storage-failure.ts'
import { withReachable } from './images.ts'
import type { Choice } from './policy.ts'
import { lookAt, namesIn } from './stored-parts.ts'
import { addSizes, type DiskHost, type Inventory, type Item, type Look, type Size } from './types.ts'

export interface Removed {
  readonly item: Item
  /** What of it really went. */
  readonly size: Size
}

/** Items between two looks at what is in use: everybody who wants to use something else waits for that long. */
const batchSize = 100

/** Takes the chosen items away and tells of each. The caller is the only collector. */
export async function* removeItems(
  host: DiskHost,
  inventory: Inventory,
  { items, released }: Choice,
  { signal }: Pick<Look, 'signal'>,
): AsyncGenerator<Removed, void, undefined> {
  for (let at = 0; at < items.length; at += batchSize) {
    signal.throwIfAborted()
    const gone: Item[] = []
    for (const item of items.slice(at, at + batchSize)) if (await forget(host, item)) gone.push(item)
    const wanted = gone.flatMap((item) => released.get(item) ?? [])
    const first = await takeAway(host, inventory, wanted, signal)
    // What has gone by now made room for the names that the rest goes under.
    const second = first.full.length === 0 ? first : await takeAway(host, inventory, first.full, signal)
    const taken = new Set([...first.taken, ...second.taken])
    for (const item of gone) {
      const parts = (released.get(item) ?? []).filter((part) => taken.has(part))
      const sizes = parts.flatMap((part) => inventory.parts.get(part)?.size ?? [])
      yield { item, size: addSizes([item.own, ...sizes]) }
    }
  }
}

interface TakenAway {
  readonly taken: readonly Part[]
  /** Those that there was no room to move: nobody needs them, and the next collection finds them. */
  readonly full: readonly Part[]
}

/** Takes away those of the parts that nobody uses: moves them, at once for all who look, and removes them then. */
async function takeAway(
  { directory, native }: DiskHost,
  { parts }: Inventory,
  wanted: readonly Part[],
  signal: AbortSignal,
): Promise<TakenAway> {
  const aside = new Map<Part, string>()
  const full: Part[] = []
  if (wanted.length === 0) return { taken: [], full }
  const paths: LayoutPaths = layoutPaths(directory)
  await withLock(native, { path: paths.gateLock, signal }, async () => {
    const pins = withReachable(paths, readPins(paths))
    for (const part of wanted) {
      const stored = parts.get(part)
      if (stored === undefined || pins.has(part)) continue
      const to = freshAside(directory)
      try {
        move(stored.path, to)
        aside.set(part, to)
      } catch (thrown) {
        if (!isFull(thrown)) throw thrown
        full.push(part)
        // A file goes at once, and takes no name for that.
        if (part.startsWith('blob:')) removeFile(stored.path)
      }
    }
  })
  for (const path of aside.values()) await discard(path)
  for (const part of aside.keys()) forgetNotes(directory, part)
  return { taken: [...aside.keys()], full }
}

function isFull(thrown: unknown): boolean {
  return thrown instanceof SlipwayError && thrown.code === 'ERR_STORE_FULL'
}

/** Removes what a collector that died had set aside. The caller is the only collector. */
export async function sweepAside({ directory }: DiskHost): Promise<void> {
  for (const name of namesIn(asideIn(directory))) {
    if (name.startsWith(asidePrefix)) await discard(`${asideIn(directory)}/${name}`)
  }
}

// Beside the snapshots, where a directory can be moved to without making one. No snapshot is called so.
const asidePrefix = '.removed-'

function asideIn(directory: string): string {
  return `${directory}/snapshots`
}

function freshAside(directory: string): string {
  return `${asideIn(directory)}/${asidePrefix}${randomBytes(16).toString('hex')}`
}

/** Takes away what leads to the item's parts; false when somebody uses it. */
async function forget(host: DiskHost, item: Item): Promise<boolean> {
  const { removal } = item
  switch (removal.kind) {
    case 'files':
      for (const path of removal.paths) removeFile(path)
      return true
    case 'parts':
      return true
    case 'failed':
      return await host.forgetFailed(removal.id)
    case 'image': {
      return await forgetImage(host, removal.digest)
    }
    case 'directory': {
      const aside = freshAside(host.directory)
      const isGone = await ifUnlocked(host.native, removal.lockPath, async () => {
        move(removal.path, aside)
        removeFile(removal.lockPath)
        return true
      }).catch((thrown: unknown) => {
        if (isFull(thrown)) return false
        throw thrown
      })
      if (isGone) await discard(aside)
      return isGone === true
    }
  }
}

/** Takes an image without names out of the index; false when it was given one, or there is no room for another index. */
async function forgetImage({ directory, native }: DiskHost, digest: Digest): Promise<boolean> {
  let isNamed = false
  try {
    await updateIndex(layoutPaths(directory), native, (entries) => {
      const left = withoutEntry(entries, digest)
      isNamed = left.some((entry) => entry.digest === digest)
      return isNamed ? entries : left
    })
  } catch (thrown) {
    // What else goes makes room for the next attempt.
    if (isFull(thrown)) return false
    throw thrown
  }
  return !isNamed
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', from, thrown)
  }
}

async function discard(path: string): Promise<void> {
  try {
    if (lookAt(path)?.isDirectory()) await removeTree(path)
    else removeFile(path)
  } catch (thrown) {
    throw storageFailure('remove', path, thrown)
  }
}

/** What was noted about a part helps nobody without it. */
function forgetNotes(directory: string, part: Part): void {
  const name = part.slice(part.indexOf(':') + 1)
  if (part.startsWith('snapshot:')) {
    for (const file of namesIn(`${directory}/layers`)) {
      if (file.startsWith(`${name}.`)) removeFile(`${directory}/layers/${file}`)
    }
    return
  }
  removeFile(`${directory}/origins/${name}`)
  for (const file of namesIn(`${directory}/variants`)) {
    if (file.startsWith(`${name}-`)) removeFile(`${directory}/variants/${file}`)
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', path, thrown)
  }
}
