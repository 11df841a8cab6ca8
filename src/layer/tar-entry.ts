// One member of a tar archive as a value, and the words for what is wrong with an archive. The bytes are
// the business of tar-decode.ts and tar-encode.ts.
import { SlipwayError } from '../core/error.ts'

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo'

/** One member of an archive. All strings are byte strings (one character per byte). */
export interface TarEntry {
  /** As the archive spells it, without a directory's trailing slashes; see layer-path.ts for its meaning. */
  readonly path: string
  readonly type: TarEntryType
  /** Permission, set-id and sticky bits only. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes of its content; 0 for everything but files. */
  readonly size: number
  /** Of a sparse file: what is stored of it. */
  readonly sparse?: TarSparse
  /** Since the epoch; may be negative. */
  readonly mtimeNs: bigint
  /** Symbolic links: the text, verbatim. Hard links: the archive's spelling of the other member. */
  readonly linkTarget?: string
  readonly devMajor: number
  readonly devMinor: number
  /** Full attribute name (`user.x`) to raw value, from `SCHILY.xattr.*` records. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>
}

/** The stored part of a sparse file. */
export interface TarSparse {
  /** Bytes that follow the header. */
  readonly storedSize: number
  /** Where they belong; absent: they begin with the map that says so. */
  readonly pieces?: readonly { readonly offset: number; readonly length: number }[]
}

export const blockSize = 512

/** The failure of reading an archive that is damaged or hostile. */
export function tarError(reason: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_TAR_INVALID', message: `read tar: ${reason}` })
}

/** Prefix of the pax records that hold extended attributes. */
export const xattrPrefix = 'SCHILY.xattr.'
