// The interfaces of content-addressed storage; the local store, the registry and the archive writers implement them.
import type { Readable } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'

/** Whoever asks over a network waits no longer than until `signal` is aborted; a disk answers at once. */
export interface AskOptions {
  readonly signal?: AbortSignal
}

export interface ContentReader {
  has(descriptor: Descriptor, options?: AskOptions): Promise<boolean>
  /** The bytes, verified while they flow: the stream ends in ERR_DIGEST_MISMATCH instead of `end` when size or digest differ. */
  open(descriptor: Descriptor, options?: AskOptions): Promise<Readable>
}

export interface ContentWriter {
  /** Postcondition: the bytes are stored durably under their computed digest, which equals `expected.digest`/`size` where given. Nothing is left behind on failure. */
  put(
    expected: { readonly mediaType: string; readonly digest?: Digest; readonly size?: number },
    body: Readable | Uint8Array,
    options?: AskOptions,
  ): Promise<Descriptor>
}

/** Storing what is made piece by piece in memory that is used again. */
export interface PieceWriter {
  /** As `put`. A piece is done with when the next one is asked for. */
  putPieces(mediaType: string, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Descriptor>
}

/** A place images can be copied to: blobs first, then the manifest under a name. */
export interface ImageSink extends ContentWriter {
  has(descriptor: Descriptor, options?: AskOptions): Promise<boolean>
  /** Postcondition: `name` (a full reference, or a tag) means this manifest. */
  tag(name: string, descriptor: Descriptor, options?: AskOptions): Promise<void>
}

/** One entry of the local store's index.json. */
export interface NamedImage {
  /** Full reference; absent for an untagged image. */
  readonly name?: string
  readonly descriptor: Descriptor
}

export interface ContentStore extends ContentReader, ImageSink, PieceWriter {
  /** All of a small blob (manifest, config), verified; ERR_BLOB_MISSING / ERR_DIGEST_MISMATCH / ERR_BLOB_TOO_LARGE. */
  read(descriptor: Descriptor, limitBytes: number): Promise<Buffer>
  /** The descriptor of a name, or undefined. */
  resolve(name: string): Promise<Descriptor | undefined>
  list(): Promise<readonly NamedImage[]>
  untag(name: string): Promise<boolean>
  /** The verified blob's path, for programs that need a file. */
  path(digest: Digest): string
  /** Bytes stored under this digest, whatever they are; undefined when there are none. */
  sizeOf(digest: Digest): Promise<number | undefined>
  /** Postcondition: index.json holds this manifest even when it has no name. */
  keep(descriptor: Descriptor): Promise<void>
  /** Takes every entry of this manifest, named or not, out of index.json; false if there was none. Its blobs stay. */
  forget(digest: Digest): Promise<boolean>
  /** Runs `body` while nobody else, in this process or another, runs one for the same digest. */
  exclusive: Exclusive
  /** Repositories (`registry/path`) known to hold this blob; a hint for cross-repository mounts, never a promise. */
  origins(digest: Digest): Promise<readonly string[]>
  addOrigin(digest: Digest, repository: string): Promise<void>
}

/** A lock per digest, released when `body` settles or its process dies. */
export type Exclusive = <T>(digest: Digest, signal: AbortSignal, body: () => Promise<T>) => Promise<T>
