// Where everything of a store lies below its directory; the one place that knows the names.
import { type Digest, hexOf } from '../core/digest.ts'

export interface LayoutPaths {
  readonly root: string
  /** The layout marker (OCI image-spec, image-layout.md). */
  readonly marker: string
  readonly index: string
  readonly blobs: string
  /** Files being written. */
  readonly ingest: string
  /** Blobs found damaged, moved out of the way. */
  readonly damaged: string
  readonly origins: string
  readonly locks: string
  readonly indexLock: string
  /** Held shared by everybody who has a file in `ingest`. */
  readonly ingestLock: string
  /** What running commands use; see leases.ts. */
  readonly leases: string
  /** Held by the one who collects, from choosing to the end. */
  readonly collectLock: string
  /** Held shared while something is written to a lease, alone while something is removed that no lease names. */
  readonly gateLock: string
  blob(digest: Digest): string
  blobLock(digest: Digest): string
  origin(digest: Digest): string
}

export function layoutPaths(root: string): LayoutPaths {
  const blobs = `${root}/blobs/sha256`
  return {
    root,
    marker: `${root}/oci-layout`,
    index: `${root}/index.json`,
    blobs,
    ingest: `${root}/ingest`,
    damaged: `${root}/damaged`,
    origins: `${root}/origins`,
    locks: `${root}/locks`,
    indexLock: `${root}/locks/index`,
    ingestLock: `${root}/locks/ingest`,
    leases: `${root}/leases`,
    collectLock: `${root}/locks/collect`,
    gateLock: `${root}/locks/gate`,
    blob: (digest) => `${blobs}/${hexOf(digest)}`,
    blobLock: (digest) => `${root}/locks/blob-${hexOf(digest)}`,
    origin: (digest) => `${root}/origins/${hexOf(digest)}`,
  }
}
