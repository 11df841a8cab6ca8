// Directory trees as lists of entries, read in one native call. Which entries matter (ignore files,
// whiteouts, sockets) is for the callers.
import { createHash } from 'node:crypto'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { shownPath } from './files-error.ts'
import type { Native } from './native.ts'

export type EntryType = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket'

/** Names and values as the file system has them, `trusted.*` and ACLs included. */
export type ReadXattrs = readonly (readonly [name: string, value: Buffer])[]

/** One entry as lstat sees it. */
export interface TreeEntry {
  /** Byte string relative to the scanned directory; '' is that directory. */
  readonly path: string
  readonly type: EntryType
  /** Permission bits with set-id and sticky, 0–07777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly dev: number
  readonly ino: bigint
  readonly nlink: number
  readonly rdevMajor: number
  readonly rdevMinor: number
  /** Byte string; only of symlinks. */
  readonly linkTarget?: string
  /** Only when asked for; absent when there is none. */
  readonly xattrs?: ReadXattrs
}

export interface ScanOptions {
  readonly native: Native
  readonly xattrs?: boolean
  /** Refuse a directory that is a link or is reached through one (ELOOP); its path must then be canonical. */
  readonly noLinks?: boolean
  /** More entries than this are ERR_SCAN_TOO_MANY. */
  readonly maxEntries?: number
}

/**
 * All entries of `directory` (a Buffer when the path is not UTF-8), itself first, depth first, names in byte order.
 * Links are not followed; what vanishes while scanning is left out.
 */
export async function scanTree(directory: string | Buffer, options: ScanOptions): Promise<TreeEntry[]> {
  const [path, flags, maxEntries] = rawArguments(directory, options)
  try {
    return decodeTree(await options.native.addon().scanTree(path, flags, maxEntries))
  } catch (cause) {
    throw scanError(directory, cause)
  }
}

/** As `scanTree`, but an entry is made when it is its turn: of a million, only the listing is in memory. May be gone through once. */
export async function scanTreeInTurn(
  directory: string | Buffer,
  options: ScanOptions,
): Promise<Iterable<TreeEntry>> {
  const [path, flags, maxEntries] = rawArguments(directory, options)
  try {
    return decodeRows(await options.native.addon().scanTree(path, flags, maxEntries))
  } catch (cause) {
    throw scanError(directory, cause)
  }
}

/** A scan as the kernel gave it; entries are made only when they are wanted. */
export interface Listing {
  /** sha256 (hex) of everything but attributes: an attribute that changes changes its entry's ctime. */
  readonly signature: string
  /** The latest ctime of all entries; undefined when there are none. */
  readonly newestNs: bigint | undefined
  entries(): TreeEntry[]
}

/** As `scanTree`. */
export async function listTree(directory: string | Buffer, options: ScanOptions): Promise<Listing> {
  const [path, flags, maxEntries] = rawArguments(directory, options)
  try {
    return listingOf(await options.native.addon().scanTree(path, flags, maxEntries))
  } catch (cause) {
    throw scanError(directory, cause)
  }
}

/** As `scanTree`, on this thread. */
export function scanTreeSync(directory: string | Buffer, options: ScanOptions): TreeEntry[] {
  const [path, flags, maxEntries] = rawArguments(directory, options)
  try {
    return decodeTree(options.native.addon().scanTreeSync(path, flags, maxEntries))
  } catch (cause) {
    throw scanError(directory, cause)
  }
}

/**
 * The entries at `paths` (byte strings relative to `directory`), in their order, without what is in them; what is gone or
 * is reached through a link is left out.
 */
export async function listPaths(
  directory: string | Buffer,
  paths: readonly string[],
  options: Omit<ScanOptions, 'maxEntries'>,
): Promise<Listing> {
  const [path, flags] = rawArguments(directory, options)
  const list = Buffer.from(paths.map((name) => `${name}\0`).join(''), 'latin1')
  try {
    return listingOf(await options.native.addon().scanPaths(path, flags, list))
  } catch (cause) {
    throw scanError(directory, cause)
  }
}

/** A name in a directory. */
export interface Name {
  /** Byte string. */
  readonly name: string
  readonly isDirectory: boolean
}

/** The names in a directory, in byte order. Fails with ELOOP if a link stands anywhere in its path, at its end, too. */
export function readNames(directory: string | Buffer, native: Native): Name[] {
  const marked = native.addon().readNames(asBuffer(directory)).split('\0')
  // Behind the last NUL is nothing.
  marked.pop()
  return marked.map((name) => ({ name: name.slice(1), isDirectory: name.startsWith('d') }))
}

/** The extended attributes of `path` itself (links are not followed), in the kernel's order. */
export function readXattrs(path: string | Buffer, native: Native): ReadXattrs {
  const raw = native.addon().readXattrs(asBuffer(path))
  const xattrs: [string, Buffer][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [raw[i], raw[i + 1]]
    if (name !== undefined && value !== undefined) xattrs.push([name.toString('latin1'), value])
  }
  return xattrs
}

const withXattrs = 1
const withoutLinks = 2

function rawArguments(directory: string | Buffer, options: ScanOptions): [Buffer, number, number] {
  const flags = (options.xattrs === true ? withXattrs : 0) | (options.noLinks === true ? withoutLinks : 0)
  return [asBuffer(directory), flags, options.maxEntries ?? 0]
}

function asBuffer(path: string | Buffer): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : path
}

/** The type in `st_mode` (inode(7)). */
export function typeOfMode(mode: number): EntryType {
  return types[(mode >> 12) & 15] ?? 'file'
}

const none = undefined
const types: readonly (EntryType | undefined)[] = [
  ...([none, 'fifo', 'char', none, 'directory', none, 'block', none] as const),
  ...(['file', none, 'symlink', none, 'socket'] as const),
]

/** Major and minor of Linux's 64-bit device number, makedev(3). */
export function splitDevice(device: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  }
}

/** struct scan_row of native/addon-scan.h, in bytes. */
const rowBytes = 80

function decodeTree(packed: Buffer): TreeEntry[] {
  return [...decodeRows(packed)]
}

function* decodeRows(packed: Buffer): Generator<TreeEntry, void, undefined> {
  const { buffer, byteOffset, length } = packed
  const words = new Uint32Array(buffer, byteOffset, length >> 2)
  const doubles = new Float64Array(buffer, byteOffset, length >> 3)
  const integers = new BigInt64Array(buffer, byteOffset, length >> 3)
  const word = (at: number): number => words[at] ?? 0
  for (let at = 0; at < length; ) {
    const w = at >> 2
    const d = at >> 3
    const mode = word(w + 1)
    const pathEnd = at + rowBytes + word(w + 7)
    const linkEnd = pathEnd + word(w + 8)
    const xattrsEnd = linkEnd + word(w + 9)
    const entry: TreeEntry & Writable = {
      path: packed.toString('latin1', at + rowBytes, pathEnd),
      type: typeOfMode(mode),
      mode: mode & 0o7777,
      uid: word(w + 2),
      gid: word(w + 3),
      size: doubles[d + 5] ?? 0,
      mtimeNs: integers[d + 8] ?? 0n,
      ctimeNs: integers[d + 9] ?? 0n,
      dev: doubles[d + 6] ?? 0,
      ino: BigInt.asUintN(64, integers[d + 7] ?? 0n),
      nlink: word(w + 4),
      rdevMajor: word(w + 5),
      rdevMinor: word(w + 6),
    }
    if (entry.type === 'symlink') entry.linkTarget = packed.toString('latin1', pathEnd, linkEnd)
    if (xattrsEnd > linkEnd) entry.xattrs = decodeXattrs(packed, linkEnd, xattrsEnd)
    yield entry
    at += word(w)
  }
}

function listingOf(packed: Buffer): Listing {
  const plain = withoutXattrs(packed)
  const integers = new BigInt64Array(plain.buffer, plain.byteOffset, plain.length >> 3)
  const words = new Uint32Array(plain.buffer, plain.byteOffset, plain.length >> 2)
  let newestNs: bigint | undefined
  for (let at = 0; at < plain.length; at += words[at >> 2] ?? 0) {
    const ctimeNs = integers[(at >> 3) + 9] ?? 0n
    if (newestNs === undefined || ctimeNs > newestNs) newestNs = ctimeNs
  }
  return {
    signature: createHash('sha256').update(plain).digest('hex'),
    newestNs,
    entries: () => decodeTree(packed),
  }
}

/** The rows as a scan that asked for no attributes gives them. */
function withoutXattrs(packed: Buffer): Buffer {
  const words = new Uint32Array(packed.buffer, packed.byteOffset, packed.length >> 2)
  let hasXattrs = false
  let bytes = 0
  const plainLength = (w: number): number => align(rowBytes + (words[w + 7] ?? 0) + (words[w + 8] ?? 0))
  for (let at = 0; at < packed.length; at += words[at >> 2] ?? 0) {
    bytes += plainLength(at >> 2)
    hasXattrs ||= words[(at >> 2) + 9] !== 0
  }
  if (!hasXattrs) return packed
  const plain = Buffer.alloc(bytes)
  const plainWords = new Uint32Array(plain.buffer, plain.byteOffset, bytes >> 2)
  for (let at = 0, to = 0; at < packed.length; at += words[at >> 2] ?? 0) {
    const w = at >> 2
    packed.copy(plain, to, at, at + rowBytes + (words[w + 7] ?? 0) + (words[w + 8] ?? 0))
    plainWords[to >> 2] = plainLength(w)
    plainWords[(to >> 2) + 9] = 0
    to += plainLength(w)
  }
  return plain
}

function align(length: number): number {
  return (length + 7) & ~7
}

interface Writable {
  linkTarget?: string
  xattrs?: ReadXattrs
}

function decodeXattrs(packed: Buffer, start: number, end: number): ReadXattrs {
  const xattrs: [string, Buffer][] = []
  for (let at = start; at < end; ) {
    const nameEnd = at + 8 + packed.readUInt32LE(at)
    const valueEnd = nameEnd + packed.readUInt32LE(at + 4)
    // A copy: a slice would keep the whole listing in memory as long as one attribute lives.
    xattrs.push([packed.toString('latin1', at + 8, nameEnd), Buffer.from(packed.subarray(nameEnd, valueEnd))])
    at = valueEnd
  }
  return xattrs
}

function scanError(directory: string | Buffer, cause: unknown): unknown {
  const errno = errnoOf(cause)
  if (errno === undefined || !(cause instanceof Error)) return cause
  const below = String((cause as { path?: unknown }).path ?? '')
  const top = asBuffer(directory).toString('latin1')
  const path = below === '' ? top : `${top}/${below}`
  if (errno === 'E2BIG') {
    return new SlipwayError({
      code: 'ERR_SCAN_TOO_MANY',
      message: `read ${shownPath(top)}: it holds too many files`,
      data: { path },
    })
  }
  return new SlipwayError({
    code: errno === 'ENOENT' && below === '' ? 'ERR_SCAN_MISSING' : 'ERR_SCAN_FAILED',
    message: `read ${shownPath(path)}: ${cause.message}`,
    data: { path, errno },
    cause,
  })
}
