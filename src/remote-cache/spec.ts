// The caches a build is asked to read and to write, as values.
import { resolve } from 'node:path'
import { type Digest, isDigest } from '../core/digest.ts'
import type { LayerCompression } from '../core/media-type.ts'
import { formatReference, type ImageRef, parseReference } from '../core/reference.ts'
import { type Attributes, readAttributes } from './attributes.ts'
import type { AwsCredentials } from './aws-signature.ts'
import type { GithubPlace } from './github-store.ts'
import type { ManifestForm } from './manifest.ts'
import type { S3Place } from './s3-store.ts'

/** One `--cache-from`. */
export interface CacheWish {
  readonly source: CacheSource
  /** Cache mounts that are wanted with it. */
  readonly mounts: readonly string[]
}

export type CacheSource =
  | { readonly type: 'registry'; readonly ref: ImageRef; readonly insecure: boolean }
  | { readonly type: 'local'; readonly directory: string; readonly tag: string; readonly digest?: Digest }
  | S3Spec
  | GithubSpec

/** Keys that are not given are the environment's. */
export interface S3Spec {
  readonly type: 's3'
  readonly place: S3Place
  readonly credentials: AwsCredentials
}

export interface GithubSpec {
  readonly type: 'gha'
  readonly place: GithubPlace
}

export type Environment = Readonly<Record<string, string | undefined>>

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
  /** Cache mounts that travel along. */
  readonly mounts: readonly string[]
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
  | S3Spec
  | GithubSpec

/** The cache that a `--cache-from` names. Throws ERR_CACHE_OPTION, ERR_REFERENCE_INVALID. */
export function parseCacheSource(text: string, environment: Environment): CacheWish {
  const read = readAttributes('from', text)
  return { source: sourceOf(read, environment), mounts: mountsOf(read) }
}

/** Ids of RUN --mount=type=cache: several in one field, quoted (`"mounts=a,b"`), or divided by semicolons. */
function mountsOf(read: Attributes): readonly string[] {
  return (read.text('mounts') ?? '').split(/[,;]/).filter((id) => id !== '')
}

function sourceOf(read: Attributes, environment: Environment): CacheSource {
  switch (read.type) {
    case 's3':
      return s3Of(read, environment)
    case 'gha':
      return githubOf(read, environment)
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
export function parseCacheTarget(text: string, environment: Environment): CacheTarget {
  const read = readAttributes('to', text)
  const place = placeOf(read, environment)
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
    mounts: mountsOf(read),
  }
}

function placeOf(read: Attributes, environment: Environment): CachePlace {
  switch (read.type) {
    case 's3':
      return s3Of(read, environment)
    case 'gha':
      return githubOf(read, environment)
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
    case 's3':
      return nameOfS3(place)
    case 'gha':
      return nameOfGithub(place)
  }
}

/** As it is shown; the keys are not. */
export function nameOfS3({ place: { bucket, prefix, manifestsPrefix, names } }: S3Spec): string {
  return `s3 ${bucket}/${prefix}${manifestsPrefix}${names[0]}`
}

export function nameOfGithub({ place: { scope } }: GithubSpec): string {
  return `gha ${scope}`
}

function s3Of(read: Attributes, environment: Environment): S3Spec {
  const { AWS_BUCKET, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = environment
  const of = (key: string, fallback: string | undefined, hint: string): string => {
    const value = read.text(key) ?? fallback
    return value === undefined || value === '' ? read.required(key, hint) : value
  }
  const endpoint = read.text('endpoint_url')
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) {
    throw read.invalid(`endpoint_url ${endpoint} is no http or https address`)
  }
  const own = read.text('access_key_id') !== undefined
  const sessionToken = read.text('session_token') ?? (own ? undefined : AWS_SESSION_TOKEN)
  return {
    type: 's3',
    place: {
      bucket: of('bucket', AWS_BUCKET, 'write bucket=NAME or set AWS_BUCKET'),
      region: of('region', AWS_REGION, 'write region=NAME or set AWS_REGION'),
      names: (read.text('name') ?? 'buildkit').split(';').filter((name) => name !== ''),
      prefix: read.text('prefix') ?? '',
      blobsPrefix: read.text('blobs_prefix') ?? 'blobs/',
      manifestsPrefix: read.text('manifests_prefix') ?? 'manifests/',
      ...(endpoint === undefined ? {} : { endpoint }),
      usePathStyle: read.flag('use_path_style', false),
      uploads: read.count('upload_parallelism', { least: 1, most: 64 }) ?? 4,
      touchMs: touchMsOf(read),
    },
    credentials: {
      accessKeyId: of('access_key_id', AWS_ACCESS_KEY_ID, 'write access_key_id=ID or set AWS_ACCESS_KEY_ID'),
      secretAccessKey: of(
        'secret_access_key',
        AWS_SECRET_ACCESS_KEY,
        'write secret_access_key=KEY or set AWS_SECRET_ACCESS_KEY',
      ),
      ...(sessionToken === undefined || sessionToken === '' ? {} : { sessionToken }),
    },
  }
}

/** A day, as in BuildKit. */
function touchMsOf(read: Attributes): number {
  const text = read.text('touch_refresh')
  if (text === undefined) return 24 * 3600 * 1000
  const match = /^(\d{1,6})(s|m|h)$/.exec(text)
  const unit = { s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? '']
  if (unit === undefined)
    throw read.invalid(`touch_refresh must be a time such as 24h, not ${JSON.stringify(text)}`)
  return Number(match?.[1]) * unit
}

/** As buildx: version 2 where the workflow says so or its address is given, with the addresses and the token of the run. */
function githubOf(read: Attributes, environment: Environment): GithubSpec {
  const { ACTIONS_CACHE_SERVICE_V2, ACTIONS_RESULTS_URL, ACTIONS_CACHE_URL, ACTIONS_RUNTIME_TOKEN } =
    environment
  const asked = read.count('version', { least: 1, most: 2 })
  const isV2 =
    asked === undefined ? read.text('url_v2') !== undefined || isTrue(ACTIONS_CACHE_SERVICE_V2) : asked === 2
  const url = isV2 ? (read.text('url_v2') ?? ACTIONS_RESULTS_URL) : (read.text('url') ?? ACTIONS_CACHE_URL)
  const variable = isV2 ? 'ACTIONS_RESULTS_URL' : 'ACTIONS_CACHE_URL'
  if (url === undefined || !/^https?:\/\/[^/]/.test(url)) {
    throw read.invalid('there is no address of the cache', `set ${variable}, as workflow runs have it`)
  }
  const token = read.text('token') ?? ACTIONS_RUNTIME_TOKEN
  if (token === undefined || token === '') {
    throw read.invalid('token is missing', 'set ACTIONS_RUNTIME_TOKEN, as workflow runs have it')
  }
  return { type: 'gha', place: { url, token, scope: read.text('scope') ?? 'buildkit', api: isV2 ? 2 : 1 } }
}

function isTrue(text: string | undefined): boolean {
  return /^(?:true|1|t)$/i.test(text ?? '')
}
