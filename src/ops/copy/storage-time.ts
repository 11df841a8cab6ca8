// The clock that change times come from: what is remembered about a file holds only if the file's last change is
// clearly older than the moment of looking at it (git's "racily clean" entries).
import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/error.ts'

/** A file whose change time is this close to the moment of reading may change again unseen. */
const racyNs = 2_000_000_000n

/** Whether a file that changed at `ctimeNs` cannot have changed unseen since the storage time `startNs`. */
export function isSettled(ctimeNs: bigint, startNs: bigint): boolean {
  return ctimeNs <= startNs - racyNs
}

/**
 * What the file system says the time is: the build's clock may be pinned, and network file systems have their own.
 * Undefined when `directory` (made if missing) cannot be written to; nothing should be remembered then.
 */
export function storageTime(directory: string): bigint | undefined {
  const path = draftPath(directory)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const fd = openSync(path, 'wx', 0o600)
    try {
      return fstatSync(fd, { bigint: true }).ctimeNs
    } finally {
      closeSync(fd)
      rmSync(path, { force: true })
    }
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown
    return undefined
  }
}

/** A name in `directory` that nobody else uses, for a file that gets its real name when it is complete. */
export function draftPath(directory: string): string {
  return join(directory, `${randomBytes(8).toString('hex')}.tmp`)
}
