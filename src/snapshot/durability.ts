// Which committed snapshots would survive a power cut. Waiting for the disk after every layer would cost
// more than unpacking it, so a snapshot is committed with a mark that names the running boot; the mark
// goes away after a sync. A mark of another boot means: the machine went down in between, do not trust it.
import { lstatSync, readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { errnoOf } from '../core/error.ts'

const markName = 'unsynced'

/** Durable; safe to use until the next power cut; or possibly damaged by the last one. */
export type Durability = 'durable' | 'unsynced' | 'doubtful'

/** Marks the directory that is about to be committed. The mark is a link's text: it is journalled with its name. */
export function markUnsynced(directory: string, boot: string): void {
  symlinkSync(boot, `${directory}/${markName}`)
}

/** `boot` is the running one, as everywhere here. */
export function durabilityOf(directory: string, boot: string): Durability {
  const marked = readLink(`${directory}/${markName}`)
  if (marked === undefined) return 'durable'
  return marked === boot ? 'unsynced' : 'doubtful'
}

/** Whether `noteBoot` was called with this path since the machine started. */
export function isOfThisBoot(path: string, boot: string): boolean {
  return readLink(path) === boot
}

/** Postcondition: `isOfThisBoot(path)` until the machine goes down. */
export function noteBoot(path: string, boot: string): void {
  // Without a temporary one, which a killed process would leave; in between the boot counts as not noted.
  unless('ENOENT', () => unlinkSync(path))
  // Another process may note it, too.
  unless('EEXIST', () => symlinkSync(boot, path))
}

function readLink(path: string): string | undefined {
  // Mostly there is none, and a failed call costs a hundred times what looking does.
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined
  try {
    return readlinkSync(path)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}

/** Precondition: the file system was synced since the snapshot was committed. */
export function markDurable(directory: string): void {
  // Another process synced too, or removed the snapshot.
  unless('ENOENT', () => unlinkSync(`${directory}/${markName}`))
}

/** Does it, or finds that there is nothing to do by the failure with this errno. */
function unless(errno: string, act: () => void): void {
  try {
    act()
  } catch (thrown) {
    if (errnoOf(thrown) !== errno) throw thrown
  }
}

/** What the kernel calls the time since the machine came up. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}
