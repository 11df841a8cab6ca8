// What can be done to a file system under construction. Paths and link targets are byte strings (one
// char per byte) relative to the target's root; a leading `/` or `./` means nothing, `..` is refused.

import type { ReadState } from './read-files.ts'

/** Name and value; `trusted.overlay.*` and `user.overlay.*` are refused. */
export type Xattrs = readonly (readonly [name: string, value: Uint8Array])[]

interface Owner {
  readonly uid: number
  readonly gid: number
}

interface Metadata extends Owner {
  /** Nanoseconds since 1970, may be negative; absent: now. */
  readonly mtimeNs?: bigint
  readonly xattrs?: Xattrs
}

/** Where a file's content comes from. */
export type FileSource =
  /**
   * A regular file of the host (a byte string too). No link is followed, also not on the way to it, so the path must be
   * canonical; `size` and `inode` must still be right. `state` is for those who read the file themselves.
   */
  | { readonly path: string; readonly size?: number; readonly inode?: bigint; readonly state?: ReadState }
  | { readonly bytes: Uint8Array }
  /** Exactly `size` bytes. */
  | { readonly stream: AsyncIterable<Uint8Array>; readonly size: number }

/**
 * One change. Whatever stands at `path` is removed first (an existing directory stays for `directory`), links at the
 * end of `path` are never followed, links on the way only inside the root. Missing parents are made 0755 root:root.
 */
export type FileOperation =
  | ({
      readonly op: 'directory'
      readonly path: string
      readonly mode: number
      /** The metadata of a directory that is already there stays. */
      readonly keepExisting?: boolean
    } & Metadata)
  | ({
      readonly op: 'file'
      readonly path: string
      readonly mode: number
      readonly source: FileSource
    } & Metadata)
  | ({ readonly op: 'symlink'; readonly path: string; readonly target: string } & Metadata)
  /** `target` is a path in the same root; links on the way to it stay inside. `metadata` is given to the file (a symbolic link only takes its owner). */
  | {
      readonly op: 'hardlink'
      readonly path: string
      readonly target: string
      readonly metadata?: { readonly mode: number; readonly mtimeNs: bigint } & Metadata
    }
  | ({
      readonly op: 'node'
      readonly path: string
      readonly type: 'char' | 'block' | 'fifo'
      readonly major: number
      readonly minor: number
      readonly mode: number
    } & Metadata)
  /** Hides `path` of the layers below; on an overlay it simply removes. */
  | { readonly op: 'whiteout'; readonly path: string }
  /** Hides what layers below have in the directory; only in a layer directory. */
  | { readonly op: 'opaque'; readonly path: string }
  /** Removes `path` with all it holds; missing is fine. */
  | { readonly op: 'remove'; readonly path: string }
  /** Makes what is missing of a directory path, following links, dangling ones too; only new directories get mode and owner. */
  | ({ readonly op: 'mkdirs'; readonly path: string; readonly mode: number } & Owner)
  /** Gives a file or directory that is there already its owner; no link may be on the way. */
  | ({ readonly op: 'owner'; readonly path: string } & Owner)
