// Which committed snapshots would survive a power cut. Waiting for the disk after every layer would cost
// more than unpacking it, so a snapshot is committed with a mark that names the running boot; the mark
// goes away after a sync. A mark of another boot means: the machine went down in between, do not trust it.
import { readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { errnoOf } from '../core/error.ts'

const markName = 'unsynced'

/** Durable; safe to use until the next power cut; or possibly damaged by the last one. */
export type Durability = 'durable' | 'unsynced' | 'doubtful'

/** Marks the directory that is about to be committed. The mark is a link's text: it is journalled with its name. */
export function markUnsynced(directory: string): void {
  symlinkSync(bootId(), `${directory}/${markName}`)
}

export function durabilityOf(directory: string): Durability {
  let boot: string
  try {
    boot = readlinkSync(`${directory}/${markName}`)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return 'durable'
    throw thrown
  }
  return boot === bootId() ? 'unsynced' : 'doubtful'
}

/** Precondition: the file system was synced since the snapshot was committed. */
export function markDurable(directory: string): void {
  try {
    unlinkSync(`${directory}/${markName}`)
  } catch (thrown) {
    // Another process synced too, or removed the snapshot.
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}
