// Directories where a person says that something is to be put, with those above them.
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errnoOf } from '../core/error.ts'

/**
 * As `mkdir` with `recursive`, which answers the topmost directory it made. Of a directory that takes no others (as
 * `/proc`) the kernel says that it is not there, and Node would ask for ever.
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<string | undefined> {
  const missing: string[] = []
  for (let at = resolve(path); !(await isThere(at)); at = dirname(at)) {
    missing.push(at)
    if (at === dirname(at)) break
  }
  let first: string | undefined
  for (const directory of missing.toReversed()) {
    try {
      await mkdir(directory, { mode })
      first ??= directory
    } catch (thrown) {
      // Somebody else may have made it meanwhile; what else is in its place fails what is to be put there.
      if (errnoOf(thrown) !== 'EEXIST') throw thrown
    }
  }
  return first
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false
    throw thrown
  }
}
