// A typed pointer to bytes (OCI image-spec, descriptor.md).
import type { Digest } from './digest.ts'
import type { Platform } from './platform.ts'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly platform?: Platform
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  readonly urls?: readonly string[]
}
