// Small files that only spare work, written whole by any number of processes. Until it is complete each is a temporary
// file of the store, so that the sweep finds what a killed process leaves.
import { randomBytes } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { tryLockOnDisk } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import { layoutPaths } from './layout-paths.ts'

/**
 * Replaces the file at `path`, whose directory exists, by one of mode 0600. A power cut may bring back the old text or an
 * empty file, and while somebody sweeps the store nothing is written. Throws the errno of the disk.
 */
export type WriteHint = (path: string, content: string | Uint8Array) => void

/** Writes hints on the file system of the open store in `root`. */
export function hintWriter(root: string, native: Native): WriteHint {
  const { ingest, ingestLock } = layoutPaths(root)
  return (path, content) => {
    // Shared with everybody who has a temporary file there: keeps the sweep away.
    using lock = tryLockOnDisk(ingestLock, { native, shared: true })
    if (lock === undefined) return
    const draft = `${ingest}/${randomBytes(16).toString('hex')}`
    try {
      writeFileSync(draft, content, { flag: 'wx', mode: 0o600 })
      renameSync(draft, path)
    } catch (thrown) {
      rmSync(draft, { force: true })
      throw thrown
    }
  }
}
