// What every builder that slipway is compared with can do, and how a build ended.
import type { Archive, ArchiveReader, Entry } from './archive.ts'

export interface PeerBuild {
  /** A name of the build's own, good for files and images. */
  readonly slug: string
  readonly context: string
  /** Flags of `docker build`. */
  readonly args: readonly string[]
  /** References of shared images that the Dockerfile may name. */
  readonly images: readonly string[]
  readonly hasTree: boolean
  /** Where files may be written. */
  readonly directory: string
  readonly reader: ArchiveReader
}

export type PeerResult =
  | { readonly kind: 'built'; readonly archive: Archive; readonly tree: readonly Entry[] }
  | { readonly kind: 'refused'; readonly message: string }

export interface Peer {
  /** Makes an image known under `reference`; the paths are its `docker save` archive and its OCI layout. */
  share(reference: string, archive: string, layout: string): Promise<void>
  build(build: PeerBuild): Promise<PeerResult>
  stop(): Promise<void>
}
