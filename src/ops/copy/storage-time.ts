// The clock that change times come from: what is remembered about a file holds only if the file's last change is
// clearly older than the moment of looking at it (git's "racily clean" entries).
import { mkdirSync, statSync, utimesSync } from 'node:fs'
import { errnoOf } from '../../core/error.ts'

/** A file whose change time is this close to the moment of reading may change again unseen. */
const racyNs = 2_000_000_000n

/** Whether a file that changed at `ctimeNs` cannot have changed unseen since the storage time `startNs`. */
export function isSettled(ctimeNs: bigint, startNs: bigint): boolean {
  return ctimeNs <= startNs - racyNs
}

/**
 * What the file system says the time is: the build's clock may be pinned, and network file systems have their own.
 * Undefined when `directory` (made if missing) cannot be written to; nothing should be remembered then. No file is made to
 * ask: a killed build would leave it. Another process may ask in between: its time, too, is none of what follows.
 */
export function storageTime(directory: string): bigint | undefined {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // Whatever the time that is set: the change of it happens when the storage says.
    utimesSync(directory, 0, 0)
    return statSync(directory, { bigint: true }).ctimeNs
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown
    return undefined
  }
}
