// ADD of a local archive: recognising it by content and extracting it at the destination, which is the root
// of everything the archive names. Follows moby's archive.Unpack as BuildKit calls it.
import { spawn } from 'node:child_process'
import { access, constants, type FileHandle, open, readlink } from 'node:fs/promises'
import { bytesOf, fsPath, textOf } from '../../core/byte-string.ts'
import { errnoOf, invariant, SlipwayError } from '../../core/error.ts'
import { baseOf, cleanPath, joinPath, parentOf } from '../../core/path.ts'
import { decompress, sniffCompression } from '../../layer/compression.ts'
import { isWrittenXattr } from '../../layer/layer-xattrs.ts'
import type { TarEntry } from '../../layer/tar-entry.ts'
import { readTar, type TarMember } from '../../layer/tar-read.ts'
import type { FileOperation } from '../../sys/file-operation.ts'
import { changed, isListed, unreadable } from './hash-files.ts'
import { type CopyStyle, checkName, planDirectories } from './plan-copy.ts'
import type { SourceEntry } from './source-tree.ts'
import type { TargetEntry, TargetTree } from './target-tree.ts'

/** Whether the file's content, decompressed if it is compressed, begins as a tar archive. Throws ERR_ADD_DECOMPRESSOR for bzip2 or xz without the program. */
export async function isArchive(entry: SourceEntry, style: CopyStyle, signal: AbortSignal): Promise<boolean> {
  if (entry.size === 0) return false
  try {
    for await (const member of readTar(archiveBytes(entry, style, signal))) return member !== undefined
    return false
  } catch (thrown) {
    // Whatever is wrong with it as an archive, as a file it can be copied.
    if (thrown instanceof SlipwayError && /^ERR_(TAR|LAYER)_/.test(thrown.code)) return false
    throw thrown
  }
}

/** The operations that extract the archive at `destination`. Missing directories on the way are made as COPY makes them. */
export async function* unpackArchive(
  target: TargetTree,
  entry: SourceEntry,
  destination: string,
  style: CopyStyle,
  signal: AbortSignal,
): AsyncGenerator<FileOperation, void, undefined> {
  const made: FileOperation[] = []
  const emit = (operation: FileOperation): void => void made.push(operation)
  const root = await planDirectories(target, cleanPath(bytesOf(destination)), style, emit)
  for await (const member of readTar(archiveBytes(entry, style, signal))) {
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
  await planDirectories(target, parent, { instruction: style.instruction, nowNs: style.nowNs }, emit)
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
  style: CopyStyle,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openListed(entry)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0)
    const start = buffer.subarray(0, bytesRead)
    const program = foreign.find(({ magic }) => start.subarray(0, magic.length).equals(magic))
    if (program !== undefined) {
      yield* runDecompressor(file, entry, program.name, style, signal)
      return
    }
    const source = file.createReadStream({ start: 0, autoClose: false, signal, highWaterMark: 256 << 10 })
    // Handed over even if nobody reads on after the first header.
    source.on('error', () => undefined)
    const kind = sniffCompression(start)
    if (kind === 'uncompressed') yield* source
    else yield* decompress(source)
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

/** Compressions Node does not know. */
const foreign = [
  { name: 'bzip2', magic: Buffer.from('BZh', 'latin1') },
  { name: 'xz', magic: Buffer.from('fd377a585a00', 'hex') },
] as const

async function* runDecompressor(
  file: FileHandle,
  entry: SourceEntry,
  name: 'bzip2' | 'xz',
  style: CopyStyle,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const program = await findProgram(name)
  if (program === undefined) {
    throw new SlipwayError({
      code: 'ERR_ADD_DECOMPRESSOR',
      message: `${style.instruction} failed: ${JSON.stringify(`/${textOf(entry.path)}`)} is compressed with ${name}, and the program ${name} is not installed`,
      hint: `install ${name === 'xz' ? 'xz-utils' : name}, or compress the archive with gzip or zstd`,
    })
  }
  const child = spawn(program, ['-dc'], { stdio: [file.fd, 'pipe', 'ignore'], env: {}, signal })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  // Awaited below; a reader that stops early must not leave it unhandled.
  ended.catch(() => undefined)
  try {
    invariant(child.stdout, 'a piped stdout exists')
    yield* child.stdout
    const code = await ended
    if (code === 0) return
    throw new SlipwayError({
      code: 'ERR_LAYER_CORRUPT',
      message: `${style.instruction} failed: decompress ${JSON.stringify(`/${textOf(entry.path)}`)}: ${name} exited with code ${code}`,
    })
  } finally {
    child.kill('SIGKILL')
  }
}

/** Only system directories: the caller's PATH is no part of a build. */
async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of ['/usr/bin', '/bin', '/usr/local/bin']) {
    const path = `${directory}/${name}`
    try {
      await access(path, constants.X_OK)
      return path
    } catch (thrown) {
      if (errnoOf(thrown) === undefined) throw thrown
    }
  }
  return undefined
}
