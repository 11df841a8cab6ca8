// ADD of a local archive: recognising it by content and extracting it at the destination, which is the root
// of everything the archive names. Follows moby's archive.Unpack as BuildKit calls it.
import { constants, type FileHandle, open, readlink } from 'node:fs/promises'
import { decompress } from '../../compression/decompress.ts'
import { bytesOf, fsPath, textOf } from '../../core/byte-string.ts'
import { SlipwayError } from '../../core/error.ts'
import { baseOf, cleanPath, joinPath, parentOf } from '../../core/path.ts'
import { isWrittenXattr } from '../../layer/layer-xattrs.ts'
import type { TarEntry } from '../../layer/tar-entry.ts'
import { readTar, type TarMember } from '../../layer/tar-read.ts'
import type { FileOperation } from '../../sys/file-operation.ts'
import type { Native } from '../../sys/native.ts'
import { changed, isListed, unreadable } from './hash-files.ts'
import { type CopyStyle, checkName, planDirectories } from './plan-copy.ts'
import type { SourceEntry } from './source-tree.ts'
import type { TargetEntry, TargetTree } from './target-tree.ts'

export interface UnpackOptions {
  readonly style: CopyStyle
  readonly native: Native
  readonly signal: AbortSignal
}

/** Whether the file's content, decompressed if it is compressed, begins as a tar archive. */
export async function isArchive(entry: SourceEntry, options: UnpackOptions): Promise<boolean> {
  if (entry.size === 0) return false
  try {
    for await (const member of readTar(archiveBytes(entry, options))) return member !== undefined
    return false
  } catch (thrown) {
    // Whatever is wrong with it as an archive, as a file it can be copied.
    if (thrown instanceof SlipwayError && /^ERR_(TAR|DECOMPRESS)_/.test(thrown.code)) return false
    throw thrown
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
  const root = await planDirectories(
    target,
    cleanPath(bytesOf(destination)),
    { ...style, parentMode: 0o755 },
    emit,
  )
  for await (const member of readTar(archiveBytes(entry, options))) {
    await planMember(target, root, member, style, emit)
    yield* made.splice(0)
  }
  yield* made.splice(0)
}

async function planMember(
  target: TargetTree,
  root: string,
  member: TarMember,
  style: CopyStyle,
  emit: (operation: FileOperation) => void,
): Promise<void> {
  const { entry } = member
  const name = cleanPath(entry.path)
  // The archive's own root says nothing about the directory it is extracted in.
  if (name === '') return
  // As after chroot(destination): links in the archive and below the destination cannot lead out of it.
  const parent = await target.resolve(parentOf(name), root)
  const { instruction, nowNs } = style
  await planDirectories(target, parent, { instruction, nowNs, parentMode: 0o755 }, emit)
  const path = joinPath(parent, baseOf(name))
  checkName(path, style)
  const existing = await target.entry(path)
  if (existing?.type === 'directory' && entry.type !== 'directory') emit({ op: 'remove', path })
  const made = await memberOperation(target, root, path, member, style)
  emit(made.operation)
  target.put(path, made.entry)
}

async function memberOperation(
  target: TargetTree,
  root: string,
  path: string,
  member: TarMember,
  style: CopyStyle,
): Promise<{ operation: FileOperation; entry: TargetEntry }> {
  const { entry } = member
  const { uid, gid } = style.owner ?? entry
  const { mode, mtimeNs } = entry
  const xattrs = [...entry.xattrs].filter(([key]) => isWrittenXattr(key))
  const metadata = { path, uid, gid, mtimeNs, ...(xattrs.length > 0 ? { xattrs } : {}) }
  const other: TargetEntry = { type: 'other', mode, uid, gid }
  switch (entry.type) {
    case 'directory':
      return { operation: { op: 'directory', mode, ...metadata }, entry: { ...other, type: 'directory' } }
    case 'file': {
      const source = { stream: member.chunks(), size: entry.size }
      return { operation: { op: 'file', mode, ...metadata, source }, entry: { ...other, type: 'file' } }
    }
    case 'symlink': {
      const linkTarget = entry.linkTarget ?? ''
      return {
        operation: { op: 'symlink', target: linkTarget, ...metadata },
        entry: { ...other, type: 'symlink', linkTarget },
      }
    }
    case 'hardlink': {
      const to = await linkTargetOf(target, root, entry, style)
      return { operation: { op: 'hardlink', path, target: to.path }, entry: to.entry }
    }
    case 'char':
    case 'block':
    case 'fifo': {
      const { devMajor: major, devMinor: minor } = entry
      return { operation: { op: 'node', type: entry.type, major, minor, mode, ...metadata }, entry: other }
    }
  }
}

async function linkTargetOf(
  target: TargetTree,
  root: string,
  entry: TarEntry,
  style: CopyStyle,
): Promise<{ path: string; entry: TargetEntry }> {
  const name = cleanPath(entry.linkTarget ?? '')
  const path = joinPath(await target.resolve(parentOf(name), root), baseOf(name))
  const found = name === '' ? undefined : await target.entry(path)
  if (found !== undefined && found.type !== 'directory') return { path, entry: found }
  throw new SlipwayError({
    code: 'ERR_ADD_ARCHIVE_INVALID',
    message: `${style.instruction} failed: hard link ${JSON.stringify(textOf(entry.path))} in the archive points to ${JSON.stringify(textOf(name))}, which is ${found === undefined ? 'missing' : 'a directory'}`,
  })
}

/** The plain bytes of a possibly compressed file. */
async function* archiveBytes(
  entry: SourceEntry,
  { style, native, signal }: UnpackOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openListed(entry)
  try {
    const source = file.createReadStream({ start: 0, autoClose: false, signal, highWaterMark: 256 << 10 })
    // Handed over even if nobody reads on after the first header.
    source.on('error', () => undefined)
    const what = `${style.instruction} failed: ${JSON.stringify(`/${textOf(entry.path)}`)}`
    yield* decompress(source, { native, what, signal })
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
