// What COPY and ADD copy from: a directory tree, be it a local directory or the file system of another
// stage or image. Names, paths and link targets are byte strings; paths are relative to the tree's root.
import type { EntryType, Listing } from '../../sys/scan.ts'
import type { FileState } from './stat-cache.ts'

export interface SourceEntry {
  /** Clean, without a leading slash; empty for the root. No component is a symbolic link. */
  readonly path: string
  readonly type: EntryType
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
  /**
   * What `walk` lists or, if it was not asked yet, would list if it were now; only of local directories. Costs no look
   * at attributes or contents.
   */
  listing?(directory: SourceEntry): Promise<Pick<Listing, 'signature' | 'newestNs'>>
  /** Why a path that a person may expect to be there is not, if that is known. */
  whyMissing(path: string): Promise<string | undefined>
  /** Throws ERR_CONTEXT_CHANGED if a file of these is not any more what it was when it was listed. */
  verify(entries: Iterable<SourceEntry>): Promise<void>
}
