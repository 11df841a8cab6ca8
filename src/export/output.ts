// What `-o` says: `type=…,key=value,…`, or a path alone. Every key and value is understood or refused by name.
import { readCsvFields } from '../core/csv.ts'
import { SlipwayError } from '../core/error.ts'
import type { LayerCompression } from '../core/media-type.ts'
import { formatReference, parseReference } from '../core/reference.ts'

/** How layers and documents of an exported image are written. */
export interface ImageForm {
  /** Of layers that were built; a base image's layers keep theirs. */
  readonly compression: LayerCompression
  readonly compressionLevel?: number
  /** Base layers are converted too. */
  readonly forceCompression: boolean
  readonly mediaTypes: 'oci' | 'docker'
  /** The reader knows no zstd: base layers that use it are converted. */
  readonly withoutZstd: boolean
  readonly annotations: Readonly<Record<string, string>>
}

/** One place a build goes to. `names` are full references; `dest` is a path as typed, `-` is standard output. */
export type Output =
  | {
      readonly type: 'image'
      readonly names: readonly string[]
      readonly push: boolean
      /** Whether the local store has the image afterwards. `complete`: if all its layers are here anyway; nothing is fetched for that. */
      readonly store: boolean | 'complete'
      readonly form: ImageForm
    }
  | {
      readonly type: 'oci'
      readonly names: readonly string[]
      readonly dest: string
      readonly tar: boolean
      readonly form: ImageForm
    }
  | {
      readonly type: 'docker'
      readonly names: readonly string[]
      readonly dest: string
      readonly form: ImageForm
    }
  | { readonly type: 'local'; readonly dest: string }
  | { readonly type: 'tar'; readonly dest: string }
  | { readonly type: 'cacheonly' }

const imageKeys = ['name', 'compression', 'compression-level', 'force-compression', 'oci-mediatypes']
const keysOf: Readonly<Record<string, readonly string[]>> = {
  image: [...imageKeys, 'push', 'store'],
  registry: [...imageKeys, 'push', 'store'],
  oci: [...imageKeys, 'dest', 'tar'],
  docker: [...imageKeys, 'dest', 'tar'],
  local: ['dest'],
  tar: ['dest'],
  cacheonly: [],
}
/** Keys of buildx that slipway knows of and does not do; the only value that may be written is the one that asks for nothing. */
const undone: Readonly<Record<string, string | undefined>> = {
  'push-by-digest': 'false',
  'registry.insecure': 'false',
  unpack: 'false',
  'rewrite-timestamp': 'false',
  'attestation-inline': undefined,
  'prefer-nondist-layers': 'false',
  'oci-artifact': undefined,
  'name-canonical': 'false',
  'dangling-name-prefix': undefined,
  'danging-name-empty-only': undefined,
  buildinfo: undefined,
  context: undefined,
  'platform-split': 'true',
  'attestation-prefix': undefined,
  mode: 'copy',
  'source-date-epoch': undefined,
  'compatibility-version': undefined,
}

/** The output that `text` asks for. Throws ERR_OUTPUT_INVALID, ERR_OUTPUT_UNSUPPORTED. */
export function parseOutput(text: string): Output {
  const fields = readCsvFields(text)
  if (fields === undefined) {
    throw invalid(text, 'misplaced double quote', 'quote a whole field: type=local,"dest=a,b"')
  }
  const only = fields[0]
  if (fields.length === 1 && only !== undefined && !only.includes('=')) {
    if (only === '') throw invalid(text, 'it is empty')
    return only === '-' ? { type: 'tar', dest: '-' } : { type: 'local', dest: only }
  }
  const values = new Map<string, string>()
  for (const field of fields) {
    const equals = field.indexOf('=')
    if (equals === -1) throw invalid(text, `${JSON.stringify(field)} is not of the form key=value`)
    const key = field.slice(0, equals).trim().toLowerCase()
    // Annotation keys are case-sensitive.
    const name = key.startsWith('annotation') ? field.slice(0, equals).trim() : key
    if (values.has(name)) throw invalid(text, `${name} is given twice`)
    values.set(name, field.slice(equals + 1))
  }
  return toOutput(text, values)
}

function toOutput(text: string, values: ReadonlyMap<string, string>): Output {
  const type = values.get('type')
  if (type === undefined)
    throw invalid(text, 'type is missing', `write type=${Object.keys(keysOf).join('|')}`)
  const known = Object.hasOwn(keysOf, type) ? keysOf[type] : undefined
  if (known === undefined)
    throw invalid(text, `unknown type ${JSON.stringify(type)}`, `known: ${Object.keys(keysOf).join(', ')}`)
  const hasImage = known.includes('name')
  for (const [key, value] of values) {
    if (key === 'type' || known.includes(key) || (hasImage && annotationKey(key) !== undefined)) continue
    if (Object.hasOwn(undone, key) || key.startsWith('annotation')) {
      if (value !== undone[key]) throw unsupported(text, `${key}=${value}`)
      continue
    }
    throw invalid(
      text,
      `unknown key ${JSON.stringify(key)} for type=${type}`,
      `known: ${known.join(', ') || 'none'}`,
    )
  }
  const read = reader(text, values)
  switch (type) {
    case 'oci':
      return read.flag('tar', true)
        ? { type, names: read.names(), dest: read.dest('-'), tar: true, form: read.form() }
        : { type, names: read.names(), dest: read.dest(), tar: false, form: read.form() }
    case 'docker': {
      if (!read.flag('tar', true)) throw unsupported(text, 'tar=false for type=docker')
      const form = dockerForm(text, read.form())
      // Without a place, docker's own exporter loads the image; the local store is where it goes here.
      if (!values.get('dest')) return { type: 'image', names: read.names(), push: false, store: true, form }
      return { type, names: read.names(), dest: read.dest(), form }
    }
    case 'local':
      if (read.dest() === '-')
        throw invalid(text, 'a directory cannot be written to standard output', 'write type=tar')
      return { type, dest: read.dest() }
    case 'tar':
      return { type, dest: read.dest('-') }
    case 'cacheonly':
      return { type }
    default: {
      const push = read.flag('push', type === 'registry')
      const store = push && !values.has('store') ? 'complete' : read.flag('store', true)
      return { type: 'image', names: read.names(), push, store, form: read.form() }
    }
  }
}

function reader(text: string, values: ReadonlyMap<string, string>) {
  const flag = (key: string, fallback: boolean): boolean => {
    const value = values.get(key)
    if (value === undefined) return fallback
    if (/^(?:true|1|t)$/i.test(value)) return true
    if (/^(?:false|0|f)$/i.test(value)) return false
    throw invalid(text, `${key} must be true or false, not ${JSON.stringify(value)}`)
  }
  return {
    flag,
    dest: (fallback?: string): string => {
      const dest = values.get('dest') || fallback
      if (dest !== undefined) return dest
      throw invalid(text, 'dest is missing', 'write dest=DIRECTORY')
    },
    names: (): readonly string[] =>
      (values.get('name') ?? '')
        .split(',')
        .filter((name) => name.trim() !== '')
        .map((name) => {
          const reference = parseReference(name.trim())
          if (reference.digest !== undefined)
            throw invalid(text, `name ${name} has a digest; the build decides that`)
          return formatReference(reference)
        }),
    form: (): ImageForm => {
      const level = values.get('compression-level')
      const compression = compressionOf(text, values.get('compression') ?? 'gzip')
      const mediaTypes = flag('oci-mediatypes', true) ? 'oci' : 'docker'
      if (mediaTypes === 'docker' && compression === 'zstd') {
        throw invalid(text, 'docker media types have no zstd', 'leave out oci-mediatypes=false')
      }
      return {
        compression,
        ...(level === undefined ? {} : { compressionLevel: levelOf(text, level, compression) }),
        forceCompression: flag('force-compression', false),
        mediaTypes,
        withoutZstd: mediaTypes === 'docker',
        annotations: Object.fromEntries(
          [...values].flatMap(([key, value]) => {
            const name = annotationKey(key)
            return name === undefined ? [] : [[name, value]]
          }),
        ),
      }
    },
  }
}

// Manifest annotations only: an index has no place in the image of a single platform.
function annotationKey(key: string): string | undefined {
  return /^annotation(?:-manifest)?\.(.+)$/.exec(key)?.[1]
}

function compressionOf(text: string, value: string): LayerCompression {
  if (value === 'uncompressed') return 'uncompressed'
  if (value === 'gzip' || value === 'zstd') return value
  if (value === 'estargz') throw unsupported(text, 'compression=estargz')
  throw invalid(text, `unknown compression ${JSON.stringify(value)}`, 'known: gzip, zstd, uncompressed')
}

function levelOf(text: string, value: string, compression: LayerCompression): number {
  const [least, most] = compression === 'zstd' ? [1, 22] : [0, 9]
  const level = Number(value)
  if (compression === 'uncompressed')
    throw invalid(text, 'compression-level makes no sense for compression=uncompressed')
  if (/^\d{1,2}$/.test(value) && level >= least && level <= most) return level
  throw invalid(text, `compression-level must be ${least} to ${most}, not ${JSON.stringify(value)}`)
}

function dockerForm(text: string, form: ImageForm): ImageForm {
  if (form.compression === 'zstd')
    throw unsupported(text, 'compression=zstd for type=docker (docker load cannot read it)')
  return { ...form, withoutZstd: true }
}

function invalid(text: string, reason: string, hint?: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_OUTPUT_INVALID',
    message: `read output ${JSON.stringify(text)}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
  })
}

function unsupported(text: string, what: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_OUTPUT_UNSUPPORTED',
    message: `read output ${JSON.stringify(text)}: ${what} is not supported`,
    hint: 'leave it out',
  })
}
