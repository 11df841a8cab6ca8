// The mounts a RUN can have, each kind with what it knows.
import type { Span } from '../core/span.ts'
import type { Word } from './ast.ts'

export type MountKind = 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh'
export type CacheSharing = 'shared' | 'private' | 'locked'

/** Mode and owner of what a mount creates; absent members have the kind's default. */
export interface MountOwner {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
}

interface Common {
  /** The whole flag. */
  readonly span: Span
  /** As written, variables expanded; absent where nothing was said. */
  readonly target?: Word
}
/** Files of the build context, a stage, an image or a named context. */
export interface BindMount extends Common {
  readonly kind: 'bind'
  /** Absent: the build context. */
  readonly from?: Word
  readonly source?: Word
  readonly readonly: boolean
}
/** A directory that outlives the build. */
export interface CacheMount extends Common {
  readonly kind: 'cache'
  /** Absent: the target as written, cleaned. */
  readonly id?: string
  readonly sharing: CacheSharing
  /** What the directory holds when it is new; absent: nothing. */
  readonly from?: Word
  readonly source?: Word
  readonly owner: MountOwner
  readonly readonly: boolean
}
export interface TmpfsMount extends Common {
  readonly kind: 'tmpfs'
  /** Absent: as much as there is memory. */
  readonly sizeBytes?: number
  readonly readonly: boolean
}
/** A secret of the caller as a file, an environment variable or both. */
export interface SecretMount extends Common {
  readonly kind: 'secret'
  readonly id: string
  /** Name of the variable. */
  readonly env?: string
  readonly required: boolean
  readonly owner: MountOwner
}
/** A socket of an SSH agent. */
export interface SshMount extends Common {
  readonly kind: 'ssh'
  readonly id: string
  readonly required: boolean
  readonly owner: MountOwner
}
export type Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount
