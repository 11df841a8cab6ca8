// The caches a build is asked to read and to write, as values.
import { resolve } from 'node:path'
import { type Digest, isDigest } from '../core/digest.ts'
import type { LayerCompression } from '../core/media-type.ts'
import { formatReference, type ImageRef, parseReference } from '../core/reference.ts'
import { type Attributes, readAttributes } from './attributes.ts'
import type { ManifestForm } from './manifest.ts'

/** One `--cache-from`. */
export type CacheSource =
  | { readonly type: 'registry'; readonly ref: ImageRef; readonly insecure: boolean }
  | { readonly type: 'local'; readonly directory: string; readonly tag: string; readonly digest?: Digest }

/** One `--cache-to`. */
export interface CacheTarget {
  readonly place: CachePlace
  /** Everything that was done, or only what is in the image. */
  readonly mode: 'min' | 'max'
  /** The build fails when the cache cannot be written. */
  readonly required: boolean
  readonly compression: LayerCompression
  readonly compressionLevel?: number
  /** Layers of a base image are converted, too. */
  readonly forceCompression: boolean
}

export type CachePlace =
  | { readonly type: 'inline' }
  | {
      readonly type: 'registry'
      readonly ref: ImageRef
      readonly insecure: boolean
      readonly form: ManifestForm
    }
  | {
      readonly type: 'local'
      readonly directory: string
      readonly tag: string
      readonly reset: boolean
      readonly form: ManifestForm
    }

/** The cache that a `--cache-from` names. Throws ERR_CACHE_OPTION, ERR_REFERENCE_INVALID. */
export function parseCacheSource(text: string): CacheSource {
  const read = readAttributes('from', text)
  switch (read.type) {
    case 'local': {
      const digest = read.text('digest')
      if (digest !== undefined && !isDigest(digest))
        throw read.invalid(`digest ${digest} is no sha256 digest`)
      return {
        type: 'local',
        directory: resolve(read.required('src', 'write src=DIRECTORY')),
        tag: read.text('tag') ?? 'latest',
        ...(digest === undefined ? {} : { digest }),
      }
    }
    default:
      return {
        type: 'registry',
        ref: parseReference(read.required('ref', 'write ref=REGISTRY/REPOSITORY:TAG')),
        insecure: read.flag('registry.insecure', false),
      }
  }
}

/** The cache that a `--cache-to` asks for. Throws ERR_CACHE_OPTION, ERR_REFERENCE_INVALID. */
export function parseCacheTarget(text: string): CacheTarget {
  const read = readAttributes('to', text)
  const place = placeOf(read)
  const mode = read.choice('mode', ['min', 'max'], 'min')
  if (place.type === 'inline' && mode === 'max') {
    throw read.invalid('an inline cache has only what is in the image', 'write mode=min, or another type')
  }
  // buildx's key for the same says the opposite.
  const required = read.flag('required', !read.flag('ignore-error', true))
  const compression = read.choice('compression', ['gzip', 'zstd', 'uncompressed'], 'gzip')
  const [least, most] = compression === 'zstd' ? [1, 22] : [0, 9]
  const level = read.count('compression-level', { least, most })
  if (compression === 'zstd' && 'form' in place && place.form.mediaTypes === 'docker') {
    throw read.invalid('docker media types have no zstd', 'leave out oci-mediatypes=false')
  }
  return {
    place,
    mode,
    required,
    compression,
    ...(level === undefined || compression === 'uncompressed' ? {} : { compressionLevel: level }),
    forceCompression: read.flag('force-compression', false),
  }
}

function placeOf(read: Attributes): CachePlace {
  switch (read.type) {
    case 'inline':
      return { type: 'inline' }
    case 'local':
      return {
        type: 'local',
        directory: resolve(read.required('dest', 'write dest=DIRECTORY')),
        tag: read.text('tag') ?? 'latest',
        reset: read.flag('reset', false),
        form: formOf(read),
      }
    default: {
      const ref = parseReference(read.required('ref', 'write ref=REGISTRY/REPOSITORY:TAG'))
      if (ref.digest !== undefined) throw read.invalid('a digest cannot be chosen', 'name a tag')
      return { type: 'registry', ref, insecure: read.flag('registry.insecure', false), form: formOf(read) }
    }
  }
}

function formOf(read: Attributes): ManifestForm {
  const mediaTypes = read.flag('oci-mediatypes', true) ? 'oci' : 'docker'
  const imageManifest = read.flag('image-manifest', mediaTypes === 'oci')
  if (imageManifest && mediaTypes === 'docker') {
    throw read.invalid('image-manifest=true needs OCI media types', 'leave out oci-mediatypes=false')
  }
  return { imageManifest, mediaTypes }
}

/** Tells two targets apart: none is to be written twice. */
export function nameOfPlace(place: CachePlace): string {
  switch (place.type) {
    case 'inline':
      return 'inline'
    case 'registry':
      return formatReference(place.ref)
    case 'local':
      return `local ${place.directory}:${place.tag}`
  }
}
