// Making written files survive a power cut. When to do so is decided by the stores.
import { open } from 'node:fs/promises'
import type { Native } from './native.ts'

/** Postcondition: all that was written to the file system of `path` (a directory) before the call is on disk. */
export async function syncFileSystem(path: string, native: Native): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await native.addon().syncfs(directory.fd)
  } finally {
    await directory.close()
  }
}

/** Postcondition: the names in the directory (after a rename, a creation) are on disk. */
export async function fsyncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
