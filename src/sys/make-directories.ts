// Directories where a person says that something is to be put, with those above them.
import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { errnoOf } from '../core/error.ts'

/**
 * As `mkdir` with `recursive`, which answers the topmost directory it made. Of a directory that takes no others (as
 * `/proc`) the kernel says that it is not there, and Node would ask for ever.
 */
export function makeDirectories(path: string, mode = 0o777): string | undefined {
  const missing: string[] = []
  for (let at = resolve(path); statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) {
    missing.push(at)
  }
  let first: string | undefined
  for (const directory of missing.reverse()) {
    try {
      mkdirSync(directory, { mode })
      first ??= directory
    } catch (thrown) {
      // Somebody else may have made it meanwhile; what else is in its place fails what is to be put there.
      if (errnoOf(thrown) !== 'EEXIST') throw thrown
    }
  }
  return first
}
