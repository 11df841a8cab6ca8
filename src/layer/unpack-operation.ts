// One member of a layer's archive as a change to the layer's own directory.

import { quoted } from '../core/byte-string.ts'
import { cleanPath } from '../core/path.ts'
import type { FileOperation, FileSource, Xattrs } from '../sys/file-operation.ts'
import { isUnpackedXattr } from './layer-xattrs.ts'
import { tarError } from './tar-entry.ts'
import type { TarMember } from './tar-read.ts'

/** Bodies up to this size are handed over whole; larger ones as a stream. */
const inlineBytes = 64 * 1024

/** The operation that writes `member` at the clean path `path`; undefined for what layers may not contain. Throws ERR_TAR_INVALID when something but a directory claims to be the root. */
export async function unpackOperation(path: string, member: TarMember): Promise<FileOperation | undefined> {
  const { entry } = member
  if (path === '' && entry.type !== 'directory')
    throw tarError(`entry ${quoted(entry.path)} replaces the root`)
  const metadata = {
    path,
    uid: entry.uid,
    gid: entry.gid,
    mtimeNs: entry.mtimeNs,
    ...(entry.xattrs.size === 0 ? {} : { xattrs: unpackedXattrs(entry.xattrs) }),
  }
  switch (entry.type) {
    case 'directory':
      return { op: 'directory', mode: entry.mode, ...metadata }
    case 'file':
      return { op: 'file', mode: entry.mode, source: await sourceOf(member), ...metadata }
    case 'symlink':
      return { op: 'symlink', target: entry.linkTarget ?? '', ...metadata }
    case 'hardlink': {
      const target = cleanPath(entry.linkTarget ?? '')
      if (target === '') throw tarError(`hard link ${quoted(entry.path)} leads to the root`)
      // A member that links to itself says nothing; libarchive writes such for a file it met twice.
      return target === path ? undefined : { op: 'hardlink', path, target }
    }
    case 'char':
    case 'block':
    case 'fifo': {
      const { devMajor: major, devMinor: minor } = entry
      // On disk this would be a whiteout, which a layer can only say by name.
      if (entry.type === 'char' && major === 0 && minor === 0) return undefined
      return { op: 'node', type: entry.type, major, minor, mode: entry.mode, ...metadata }
    }
  }
}

async function sourceOf(member: TarMember): Promise<FileSource> {
  const { size } = member.entry
  return size <= inlineBytes ? { bytes: await member.bytes() } : { stream: member.chunks(), size }
}

function unpackedXattrs(xattrs: ReadonlyMap<string, Uint8Array>): Xattrs {
  return [...xattrs].filter(([name]) => isUnpackedXattr(name))
}
