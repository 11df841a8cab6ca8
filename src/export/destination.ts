// Files and directories that appear complete or not at all: written beside their place, renamed when done.
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { lstat, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { makeDirectories } from '../sys/make-directories.ts'

/** Writes `chunks` to `dest`. Postcondition: `dest` is complete and durable, or as it was before. */
export async function writeFileWhole(
  dest: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const { path, isRegular } = await target(dest)
  if (isRegular) return await inPlaceOf(path, (temp) => writeAll(temp, 'wx', chunks, signal))
  // A device or a pipe must be written to, not replaced by a file.
  await writeAll(path, 'w', chunks, signal).catch((thrown: unknown) => {
    throw writeFailure(dest, thrown)
  })
}

// Where a rename must happen so that a symbolic link at `dest` stays one. What the link of an open pipe (/dev/fd/3) or of a
// removed file leads to has no name, and is written to as a device is.
async function target(dest: string): Promise<{ readonly path: string; readonly isRegular: boolean }> {
  try {
    const isRegular = (await stat(dest)).isFile()
    return { path: isRegular ? await realpath(dest) : dest, isRegular }
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT')
      return { path: dest, isRegular: (await entryAt(dest))?.isSymbolicLink() !== true }
    throw writeFailure(dest, thrown)
  }
}

/** What is at `path`, links not followed; undefined when nothing is. Throws ERR_OUTPUT_WRITE. */
export async function entryAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw writeFailure(path, thrown)
  }
}

/** Makes the directories above `dest` that are missing; the topmost of them. Throws ERR_OUTPUT_WRITE. */
export function makeParents(dest: string): string | undefined {
  try {
    return makeDirectories(dirname(dest))
  } catch (thrown) {
    throw writeFailure(dest, thrown)
  }
}

async function writeAll(
  path: string,
  flags: 'w' | 'wx',
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const handle = await open(path, flags, 0o644)
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted()
      await handle.writeFile(chunk)
    }
    if (flags === 'wx') await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes `chunks` to a stream that stays open (standard output), at the reader's pace. */
export async function writeStream(
  stream: Writable,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const broken = finished(stream, { signal, readable: false, cleanup: true })
  broken.catch(() => undefined)
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted()
      const isTaken = new Promise<void>((resolve, reject) => {
        stream.write(chunk, (error) => (error ? reject(error) : resolve()))
      })
      await Promise.race([isTaken, broken])
    }
  } catch (thrown) {
    throw writeFailure('standard output', thrown)
  }
}

/** Runs `write` on a path beside `dest` and renames it there; removes it when anything fails. */
export async function inPlaceOf(dest: string, write: (temp: string) => Promise<void>): Promise<void> {
  const temp = `${dest.replace(/\/+$/, '')}.tmp-${randomBytes(6).toString('hex')}`
  try {
    await write(temp)
    await rename(temp, dest)
  } catch (thrown) {
    await rm(temp, { recursive: true, force: true })
    throw writeFailure(dest, thrown)
  }
}

/** A failed system call as the failure to write `dest`; anything else as it is. */
export function writeFailure(dest: string, thrown: unknown): unknown {
  const errno = errnoOf(thrown)
  if (errno === undefined || thrown instanceof SlipwayError) return thrown
  const reason: Readonly<Record<string, string>> = {
    ENOSPC: 'no space left on device',
    EDQUOT: 'disk quota exceeded',
    EACCES: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOENT: 'no such directory',
    ENOTDIR: 'a part of the path is not a directory',
    EISDIR: 'it is a directory',
    ENAMETOOLONG: 'a path is longer than Linux takes (4,095 bytes), or a name in it (255 bytes)',
    EPIPE: 'the reader has gone',
  }
  return new SlipwayError({
    code: 'ERR_OUTPUT_WRITE',
    message: `write ${dest}: ${reason[errno] ?? errno}`,
    data: { errno },
    cause: thrown,
  })
}
