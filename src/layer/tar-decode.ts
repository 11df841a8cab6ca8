// From header blocks (ustar, GNU, v7, star) and pax records to an entry, strictly: what is not clearly valid
// is refused. Names, targets and attribute values are bytes; limits and bodies are left to tar-read.ts.

import { quoted } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import {
  blockSize,
  type TarEntry,
  type TarEntryType,
  type TarSparse,
  tarError,
  xattrPrefix,
} from './tar-entry.ts'
import { checkPieces, type SparseRecords, sparseRecords } from './tar-sparse.ts'

/** What a single 512-byte header says, before pax and GNU long-name records are merged in. */
export interface RawHeader {
  readonly typeflag: string
  readonly name: string
  readonly linkName: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtimeSeconds: number
  readonly devMajor: number
  readonly devMinor: number
}

const noXattrs: ReadonlyMap<string, Uint8Array> = new Map()

/** The header in `block` (512 bytes), or undefined when the block is all zero. Throws ERR_TAR_INVALID on a wrong checksum or number. */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  let unsigned = 8 * 32
  let signed = 8 * 32
  for (let i = 0; i < blockSize; i++) {
    if (i === 148) i = 156
    const byte = block[i] ?? 0
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  if (unsigned === 8 * 32 && isZero(block)) return undefined
  const checksum = decodeNumber(block, 148, 8, 'checksum')
  if (checksum !== unsigned && checksum !== signed) throw tarError('header checksum does not match')

  const magic = block.toString('latin1', 257, 265)
  const isUstar = magic.startsWith('ustar\0')
  const isGnu = magic === 'ustar  \0'
  const prefix = isUstar
    ? field(block, 345, block.toString('latin1', 508, 512) === 'tar\0' ? 131 : 155) // star keeps times behind it
    : ''
  const name = field(block, 0, 100)
  const hasDevices = isUstar || isGnu
  return {
    typeflag: String.fromCharCode(block[156] ?? 0),
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: field(block, 157, 100),
    mode: decodeNumber(block, 100, 8, 'mode'),
    uid: decodeNumber(block, 108, 8, 'uid'),
    gid: decodeNumber(block, 116, 8, 'gid'),
    size: decodeNumber(block, 124, 12, 'size'),
    mtimeSeconds: decodeNumber(block, 136, 12, 'mtime'),
    devMajor: hasDevices ? decodeNumber(block, 329, 8, 'device major') : 0,
    devMinor: hasDevices ? decodeNumber(block, 337, 8, 'device minor') : 0,
  }
}

function isZero(block: Buffer): boolean {
  for (let i = 148; i < 156; i++) if (block[i] !== 0) return false
  return true
}

/** The bytes up to the first NUL. */
function field(block: Buffer, start: number, length: number): string {
  let end = start
  while (end < start + length && block[end] !== 0) end++
  return block.toString('latin1', start, end)
}

/** Octal padded with blanks or NULs on either side, or GNU's base-256 two's complement. */
function decodeNumber(block: Buffer, start: number, length: number, what: string): number {
  const first = block[start] ?? 0
  if ((first & 0x80) !== 0) {
    let value = BigInt(first & 0x7f)
    for (let i = start + 1; i < start + length; i++) value = (value << 8n) | BigInt(block[i] ?? 0)
    if ((first & 0x40) !== 0) value -= 1n << BigInt(8 * length - 1)
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw tarError(`${what} is out of range`)
    return number
  }
  let value = 0
  let i = start
  let end = start + length
  while (i < end && isPadding(block[i])) i++
  while (end > i && isPadding(block[end - 1])) end--
  for (; i < end; i++) {
    const digit = (block[i] ?? 0) - 0x30
    if (digit < 0 || digit > 7) {
      // Everything behind the first NUL is undefined; some writers leave rubbish there.
      if (isPadding(block[i])) break
      throw tarError(`${what} is not an octal number`)
    }
    value = value * 8 + digit
  }
  return value
}

function isPadding(byte: number | undefined): boolean {
  return byte === 0 || byte === 0x20
}

/** The records of a pax extended header, later ones replacing earlier ones; values are byte strings. Throws ERR_TAR_INVALID. */
export function decodePax(payload: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  const sparseMap: string[] = []
  let at = 0
  while (at < payload.length) {
    // Some writers pad the payload with NULs instead of ending it.
    if (payload[at] === 0) break
    const space = payload.indexOf(0x20, at)
    const digits = space === -1 || space - at > 8 ? '' : payload.toString('latin1', at, space)
    const end = at + Number(digits)
    if (!/^[0-9]+$/.test(digits) || end > payload.length || end <= space + 1 || payload[end - 1] !== 0x0a) {
      throw tarError('malformed pax record')
    }
    const record = payload.toString('latin1', space + 1, end - 1)
    const equals = record.indexOf('=')
    if (equals <= 0) throw tarError('pax record without a key')
    const key = record.slice(0, equals)
    const value = record.slice(equals + 1)
    // The first sparse format repeats two keys for every piece.
    const part = sparseParts.indexOf(key)
    if (part === -1) records.set(key, value)
    else if (part === sparseMap.length % 2) sparseMap.push(value)
    else throw tarError('malformed map of a sparse file')
    at = end
  }
  if (sparseMap.length > 0) records.set('GNU.sparse.map', sparseMap.join(','))
  return records
}

const sparseParts = ['GNU.sparse.offset', 'GNU.sparse.numbytes']

/** A pax time (`-12.000000034`) in nanoseconds; digits below a nanosecond are dropped. */
export function parsePaxTime(text: string): bigint {
  const match = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(text)
  if (match === null) throw tarError(`malformed time ${quoted(text)}`)
  const nanoseconds =
    BigInt(match[2] ?? '0') * 1_000_000_000n + BigInt((match[3] ?? '').slice(0, 9).padEnd(9, '0'))
  return match[1] === '-' ? -nanoseconds : nanoseconds
}

/** The attribute name inside a `SCHILY.xattr.` key, where GNU tar escapes `=` and `%`. */
export function decodeXattrKey(key: string): string {
  return key.replace(/%3D/g, '=').replace(/%25/g, '%')
}

/** The entry described by a header and the extended records before it. Throws ERR_TAR_INVALID or ERR_TAR_UNSUPPORTED. */
export function mergeEntry(
  raw: RawHeader,
  pax: ReadonlyMap<string, string>,
  longName?: string,
  longLink?: string,
): TarEntry {
  const sparse = sparseRecords(pax)
  const name = sparse?.name ?? (longName || pax.get('path') || raw.name)
  const linkName = longLink || pax.get('linkpath') || raw.linkName
  if (name === '') throw tarError('entry without a name')
  if (name.includes('\0') || linkName.includes('\0'))
    throw tarError(`name ${quoted(name)} contains a NUL byte`)
  const type = entryType(raw.typeflag, name)
  let xattrs: Map<string, Uint8Array> | undefined
  for (const [key, value] of pax) {
    if (key.startsWith(xattrPrefix)) {
      xattrs ??= new Map()
      xattrs.set(decodeXattrKey(key.slice(xattrPrefix.length)), Buffer.from(value, 'latin1'))
    }
  }
  const uid = paxInteger(pax, 'uid') ?? raw.uid
  const gid = paxInteger(pax, 'gid') ?? raw.gid
  // The highest id means "leave it" to chown(2).
  if (uid < 0 || uid >= 0xffffffff || gid < 0 || gid >= 0xffffffff) {
    throw tarError(`owner of ${quoted(name)} is out of range`)
  }
  // Only files have a body. Other types may carry a number here (old cpio gives hard links their file's
  // size); Go's archive/tar, which all other builders read layers with, ignores it, and so must we.
  const size = type === 'file' ? (paxInteger(pax, 'size') ?? raw.size) : 0
  if (size < 0) throw tarError(`size of ${quoted(name)} is negative`)
  if (sparse !== undefined && type !== 'file') throw tarError(`${quoted(name)} is sparse and no file`)
  const isLink = type === 'symlink' || type === 'hardlink'
  if (isLink && linkName === '') throw tarError(`link ${quoted(name)} has no target`)
  const mtime = pax.get('mtime')
  return {
    path: name.length > 1 ? name.replace(/\/+$/, '') || '/' : name,
    type,
    mode: raw.mode & 0o7777,
    uid,
    gid,
    size: sparse?.realSize ?? size,
    ...(sparse === undefined ? {} : { sparse: storedPart(sparse, size) }),
    mtimeNs: mtime ? parsePaxTime(mtime) : BigInt(raw.mtimeSeconds) * 1_000_000_000n,
    ...(isLink ? { linkTarget: linkName } : {}),
    devMajor: raw.devMajor,
    devMinor: raw.devMinor,
    xattrs: xattrs ?? noXattrs,
  }
}

function storedPart({ pieces, realSize }: SparseRecords, storedSize: number): TarSparse {
  if (pieces === undefined) return { storedSize }
  checkPieces(pieces, realSize ?? storedSize, storedSize)
  return { storedSize, pieces }
}

function paxInteger(pax: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = pax.get(key)
  if (text === undefined || text === '') return undefined
  const value = /^-?[0-9]+$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw tarError(`malformed pax ${key} ${quoted(text)}`)
  return value
}

function entryType(typeflag: string, name: string): TarEntryType {
  switch (typeflag) {
    case '\0':
      // Before ustar a directory was a file whose name ends in a slash.
      return name.endsWith('/') ? 'directory' : 'file'
    case '0':
      return 'file'
    // A contiguous file. Differs: BuildKit refuses it in an archive of ADD.
    case '7':
      return 'file'
    case '1':
      return 'hardlink'
    case '2':
      return 'symlink'
    case '3':
      return 'char'
    case '4':
      return 'block'
    case '5':
      return 'directory'
    case '6':
      return 'fifo'
    case 'S':
      throw sparseError(name)
    default:
      throw new SlipwayError({
        code: 'ERR_TAR_UNSUPPORTED',
        message: `read tar: entry ${quoted(name)} has the unsupported type ${quoted(typeflag)}`,
      })
  }
}

function sparseError(name: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_TAR_UNSUPPORTED',
    message: `read tar: entry ${quoted(name)} is stored sparse in the old format of GNU tar`,
    hint: 'write the archive with tar --format=pax, or without sparse files (tar without -S)',
  })
}
