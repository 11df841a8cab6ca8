// The head of a file as BuildKit hashes it before the file's bytes: docker's old "tarsum", version 1. Names and times are
// no part of it.
import type { SourceEntry } from './source-tree.ts'

const typeFlags: Readonly<Record<SourceEntry['type'], string>> = {
  file: '0',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  // Without its type it is taken for a file.
  socket: '0',
}

/** The head as a byte string. */
export function tarsumHead({ type, mode, uid, gid, size, linkTarget, device, xattrs }: SourceEntry): string {
  const isLink = type === 'symlink'
  const fields = [
    ['name', ''],
    ['mode', isLink ? 0o777 : mode],
    ['uid', uid],
    ['gid', gid],
    ['size', type === 'file' ? size : 0],
    ['typeflag', typeFlags[type]],
    ['linkname', isLink ? (linkTarget ?? '') : ''],
    ['uname', ''],
    ['gname', ''],
    ['devmajor', device?.major ?? 0],
    ['devminor', device?.minor ?? 0],
  ]
  const extra = [...(xattrs ?? [])]
    .filter(
      ([key]) =>
        key === 'security.capability' || (!key.startsWith('security.') && !key.startsWith('system.')),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}${value.toString('latin1')}`)
  return fields.map(([key, value]) => `${key}${value}`).join('') + extra.join('')
}
