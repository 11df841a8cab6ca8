// The paths of the distribution API (distribution-spec "Endpoints") in one repository.
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { isDocumentType } from '../core/media-type.ts'

export function manifestUrl(home: URL, path: string, reference: string): URL {
  return new URL(`/v2/${path}/manifests/${reference}`, home)
}

export function blobUrl(home: URL, path: string, digest: Digest): URL {
  return new URL(`/v2/${path}/blobs/${digest}`, home)
}

/** Where `descriptor` is read. */
export function contentUrl(home: URL, path: string, descriptor: Descriptor): URL {
  return isDocumentType(descriptor.mediaType)
    ? manifestUrl(home, path, descriptor.digest)
    : blobUrl(home, path, descriptor.digest)
}

export function uploadsUrl(home: URL, path: string): URL {
  return new URL(`/v2/${path}/blobs/uploads/`, home)
}

/** The scopes of token authentication for one repository. */
export function scopeOf(path: string, actions: 'pull' | 'pull,push'): string {
  return `repository:${path}:${actions}`
}
