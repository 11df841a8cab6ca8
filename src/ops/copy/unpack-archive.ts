// ADD of a local archive: recognising it by content and extracting it at the destination, which is the root
// of everything the archive names. Follows moby's archive.Unpack as BuildKit calls it.
import { constants, type FileHandle, open, readlink } from 'node:fs/promises'
import { decompress } from '../../compression/decompress.ts'
import { bytesOf, fsPath, textOf } from '../../core/byte-string.ts'
import { SlipwayError } from '../../core/error.ts'
import { cleanPath } from '../../core/path.ts'
import { beginsAsTar, readTar } from '../../layer/tar-read.ts'
import type { FileOperation } from '../../sys/file-operation.ts'
import type { Native } from '../../sys/native.ts'
import { changed, isListed, unreadable } from './hash-files.ts'
import { type CopyStyle, planDirectories } from './plan-copy.ts'
import type { SourceEntry } from './source-tree.ts'
import type { TargetTree } from './target-tree.ts'
import { Unpacking } from './unpack-member.ts'

export interface UnpackOptions {
  readonly style: CopyStyle
  readonly native: Native
  readonly signal: AbortSignal
}

/** Whether the file's content, decompressed if it is compressed, begins as a tar archive. */
export async function isArchive(entry: SourceEntry, options: UnpackOptions): Promise<boolean> {
  if (entry.size === 0) return false
  try {
    return await beginsAsTar(archiveBytes(entry, options))
  } catch (thrown) {
    // What is damaged from the start is copied as the file it is. What is only beyond this decoder is an error.
    if (thrown instanceof SlipwayError && thrown.code === 'ERR_DECOMPRESS_CORRUPT') return false
    throw explained(thrown, entry, options.style)
  }
}

/** The operations that extract the archive at `destination`. Missing directories on the way are made as COPY makes them. */
export async function* unpackArchive(
  target: TargetTree,
  entry: SourceEntry,
  destination: string,
  options: UnpackOptions,
): AsyncGenerator<FileOperation, void, undefined> {
  const { style } = options
  const made: FileOperation[] = []
  const emit = (operation: FileOperation): void => void made.push(operation)
  // A mode of --chmod is not for what is on the way to an archive.
  const way = { ...style, parentMode: 0o755 }
  const root = await planDirectories(target, cleanPath(bytesOf(destination)), way, emit)
  const unpacking = new Unpacking(target, root, style, emit)
  try {
    for await (const member of readTar(archiveBytes(entry, options))) {
      const chunks = (): AsyncIterable<Uint8Array> => explaining(member.chunks(), entry, style)
      await unpacking.member(member.entry, { bytes: () => member.bytes(), chunks })
      yield* made.splice(0)
    }
    yield* made.splice(0)
  } catch (thrown) {
    throw explained(thrown, entry, style)
  }
}

/** The same chunks, which somebody else reads; a failure of the archive says which one it is. */
async function* explaining(
  chunks: AsyncIterable<Uint8Array>,
  entry: SourceEntry,
  style: CopyStyle,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* chunks
  } catch (thrown) {
    throw explained(thrown, entry, style)
  }
}

function explained(thrown: unknown, entry: SourceEntry, { instruction }: CopyStyle): unknown {
  if (!(thrown instanceof SlipwayError) || !/^ERR_(TAR|DECOMPRESS)_/.test(thrown.code)) return thrown
  const { code, message, hint } = thrown
  const beginning = `${instruction} failed: extract `
  // Chunks are read inside the loop over the members.
  if (message.startsWith(beginning)) return thrown
  const name = JSON.stringify(`/${textOf(entry.path)}`)
  const reason = message.replace(/^read tar: /, '').replace(`decompress ${name}: `, '')
  return new SlipwayError({
    code,
    message: `${beginning}${name}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
    cause: thrown,
  })
}

/**
 * The plain bytes of a possibly compressed file. Differs: BuildKit reads no further than the archive's end mark, so that
 * it does not notice when the compressed data is cut off behind it, or something else follows.
 */
async function* archiveBytes(
  entry: SourceEntry,
  { native, signal }: UnpackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openListed(entry)
  try {
    const source = file.createReadStream({ start: 0, autoClose: false, signal, highWaterMark: 256 << 10 })
    // Handed over even if nobody reads on after the first header.
    source.on('error', () => undefined)
    yield* decompress(source, { native, what: JSON.stringify(`/${textOf(entry.path)}`), signal })
  } finally {
    await file.close()
  }
}

/** The file that was listed, opened. No link was followed to it: what a name leads to may have been swapped since. */
async function openListed(entry: SourceEntry): Promise<FileHandle> {
  const path = fsPath(entry.hostPath)
  let file: FileHandle | undefined
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const [stat, real] = await Promise.all([
      file.stat({ bigint: true }),
      readlink(`/proc/self/fd/${file.fd}`, { encoding: 'buffer' }),
    ])
    if (!stat.isFile() || !isListed(entry, stat) || !real.equals(path)) throw changed(entry)
    return file
  } catch (thrown) {
    await file?.close()
    throw unreadable(entry, thrown)
  }
}
