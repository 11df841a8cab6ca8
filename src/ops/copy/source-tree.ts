// What COPY and ADD copy from: a directory tree, be it a local directory or the file system of another
// stage or image. Names, paths and link targets are byte strings; paths are relative to the tree's root.
import type { FileState } from './stat-cache.ts'

export type SourceType = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket'

export interface SourceEntry {
  /** Clean, without a leading slash; empty for the root. No component is a symbolic link. */
  readonly path: string
  readonly type: SourceType
  /** Permission, set-id and sticky bits. */
  readonly mode: number
  /** 0:0 for local files: whose account holds a checkout must not decide what is in an image. */
  readonly uid: number
  readonly gid: number
  /** Bytes; 0 for everything but files. */
  readonly size: number
  readonly mtimeNs: bigint
  /** The verbatim text of a symbolic link. */
  readonly linkTarget?: string
  readonly device?: { readonly major: number; readonly minor: number }
  /** Only `user.*` and, of images, `security.capability`. */
  readonly xattrs?: ReadonlyMap<string, Buffer>
  /** Equal for the names of one file that has several. */
  readonly linkGroup?: string
  /** Where a file's bytes are on this machine: an absolute byte string. */
  readonly hostPath: string
  /** What a local file looked like when it was listed. */
  readonly state?: FileState
}

export interface SourceTree {
  /** `build context`, `stage`: completes "not found in the …". */
  readonly description: string
  /** A directory of this machine, not the file system of an image. */
  readonly isLocal: boolean
  /** The entry at `path`, with symbolic links on the way resolved inside the root, the last one only when `follow`. */
  find(path: string, follow: boolean): Promise<SourceEntry | undefined>
  /** Direct children of a directory, by name in byte order. */
  list(directory: SourceEntry): Promise<readonly SourceEntry[]>
  /** Everything below a directory, each directory before its children, children in byte order. */
  walk(directory: SourceEntry): Promise<readonly SourceEntry[]>
  /** Why a path that a person may expect to be there is not, if that is known. */
  whyMissing(path: string): Promise<string | undefined>
  /** Throws ERR_CONTEXT_CHANGED if a file of these is not any more what it was when it was listed. */
  verify(entries: Iterable<SourceEntry>): Promise<void>
}

/** Whether an extended attribute is part of a file's content as images carry it. */
export function isCopiedXattr(name: string): boolean {
  return name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'))
}

/** A path or pattern from a Dockerfile as the byte string file names are compared in. */
export function bytesOf(text: string): string {
  return ascii.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** A byte string as text, for messages and for patterns, whose `?` is one character and not one byte. */
export function textOf(bytes: string): string {
  return ascii.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}

const ascii = /^[\x00-\x7f]*$/

/** A byte string as a path for node:fs. */
export function fsPath(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1')
}

/** Byte order, the order of Go's `os.ReadDir`. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
