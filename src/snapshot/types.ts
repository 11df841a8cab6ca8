// File system layers on disk. A snapshot is one layer's own changes (an overlay upper directory:
// whiteouts are 0:0 character devices, opaque directories carry trusted.overlay.opaque=y); a root
// file system is a list of them. Immutable once committed.

/** File-name safe: hex or letters and digits. */
export type SnapshotId = string

export interface Active {
  /** Directories of the parents, bottom first. */
  readonly parents: readonly string[]
  /** Those that the upper one has to be mounted on: the parents, or none when it begins as a copy of all of them. */
  readonly lower: readonly string[]
  readonly upper: string
  /** On the upper one's file system, for whoever fills that. Empty but for `kept`, which may be as the last one of this process left it. */
  readonly work: string
  /** Postcondition: the upper directory is a snapshot under this id and durable before any record that names it (see flush). */
  commit(id?: SnapshotId): Promise<SnapshotId>
  /** Removes everything that was not committed. Nothing can be committed afterwards, and a second time does nothing: the directories may be another's. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface Snapshotter {
  /** Whether overlayfs cannot be mounted on its directories: what is to be written on others begins as a copy of them. */
  readonly copies: boolean
  /** A new writable layer on top of committed ones (bottom first). */
  prepare(parents: readonly SnapshotId[]): Promise<Active>
  has(id: SnapshotId): Promise<boolean>
  /** The layer's directory; it is never modified. */
  path(id: SnapshotId): string
  remove(id: SnapshotId): Promise<void>
  /** Runs `body` unless the snapshot exists, holding a lock so that only one process makes it. */
  ensure(
    id: SnapshotId,
    signal: AbortSignal,
    body: (active: Active) => Promise<void>,
    parents?: readonly SnapshotId[],
  ): Promise<void>
  /** All committed snapshots are on disk (one syncfs). */
  flush(): Promise<void>
}
