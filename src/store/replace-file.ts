// Whole-file replacement: readers see the old text or the new one, never a part.
import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { fsyncDirectory } from '../sys/sync.ts'

/** Replaces `path` by a file of mode 0600 made in `tempDirectory` (same file system); durable when it returns. */
export async function replaceFile(path: string, text: string, tempDirectory: string): Promise<void> {
  const temp = tempName(tempDirectory)
  const handle = await open(temp, flags, 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
    await rename(temp, path)
  } catch (thrown) {
    await unlink(temp).catch(() => undefined)
    throw thrown
  } finally {
    await handle.close()
  }
  await fsyncDirectory(path.slice(0, path.lastIndexOf('/')))
}

/** As `replaceFile`, but a power cut may bring back the old text or an empty file. */
export async function writeUnsynced(path: string, text: string, tempDirectory: string): Promise<void> {
  const temp = tempName(tempDirectory)
  // On this thread: no disk is waited for, and four trips to libuv's pool cost ten times what these calls do.
  const fd = openSync(temp, flags, 0o600)
  try {
    writeFileSync(fd, text)
    renameSync(temp, path)
  } catch (thrown) {
    rmSync(temp, { force: true })
    throw thrown
  } finally {
    closeSync(fd)
  }
}

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

function tempName(directory: string): string {
  return `${directory}/${randomBytes(16).toString('hex')}`
}
