// Whole-file replacement: readers see the old text or the new one, never a part.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { fsyncDirectory } from '../sys/sync.ts'

/** Replaces `path` by a file of mode 0600 made in `tempDirectory` (same file system); durable when it returns. */
export async function replaceFile(path: string, text: string, tempDirectory: string): Promise<void> {
  await write(path, text, { tempDirectory, isDurable: true })
  await fsyncDirectory(path.slice(0, path.lastIndexOf('/')))
}

/** As `replaceFile`, but a power cut may bring back the old text or an empty file. */
export async function writeUnsynced(path: string, text: string, tempDirectory: string): Promise<void> {
  await write(path, text, { tempDirectory, isDurable: false })
}

async function write(
  path: string,
  text: string,
  options: { readonly tempDirectory: string; readonly isDurable: boolean },
): Promise<void> {
  const temp = `${options.tempDirectory}/${randomBytes(16).toString('hex')}`
  const handle = await open(temp, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    await handle.writeFile(text)
    if (options.isDurable) await handle.sync()
    await rename(temp, path)
  } catch (thrown) {
    await unlink(temp).catch(() => undefined)
    throw thrown
  } finally {
    await handle.close()
  }
}
