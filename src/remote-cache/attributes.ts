// What `--cache-to` and `--cache-from` say: `type=…,key=value,…`, or a reference alone. Every key and value is understood
// or refused by name.
import { readCsvFields } from '../core/csv.ts'
import { nearest } from '../core/diagnostic.ts'
import { SlipwayError } from '../core/error.ts'

/** The keys of a `--cache-to` or `--cache-from` value, read one by one. */
export interface Attributes {
  readonly type: string
  /** Undefined also when it is empty. */
  text(key: string): string | undefined
  required(key: string, hint: string): string
  flag(key: string, fallback: boolean): boolean
  count(key: string, range: { readonly least: number; readonly most: number }): number | undefined
  choice<T extends string>(key: string, known: readonly T[], fallback: T): T
  invalid(reason: string, hint?: string): SlipwayError
}

const compression = ['compression', 'compression-level', 'force-compression']
const target = ['mode', 'ignore-error', 'required', ...compression]
const manifest = ['oci-mediatypes', 'image-manifest']
const bucket = [
  ...['bucket', 'region', 'name', 'prefix', 'blobs_prefix', 'manifests_prefix', 'endpoint_url'],
  ...['use_path_style', 'access_key_id', 'secret_access_key', 'session_token'],
  ...['upload_parallelism', 'touch_refresh'],
]
const actions = ['scope', 'url', 'url_v2', 'token', 'version']

const keysOf: Readonly<Record<Direction, Readonly<Record<string, readonly string[]>>>> = {
  to: {
    registry: ['ref', 'registry.insecure', 'mounts', ...manifest, ...target],
    local: ['dest', 'tag', 'reset', 'mounts', ...manifest, ...target],
    inline: ['mode', 'ignore-error', 'required'],
    s3: [...bucket, 'mounts', ...target],
    gha: [...actions, 'mounts', ...target],
  },
  from: {
    registry: ['ref', 'registry.insecure', 'mounts'],
    local: ['src', 'tag', 'digest', 'mounts'],
    s3: [...bucket, 'mounts'],
    gha: [...actions, 'mounts'],
  },
}

export type Direction = 'to' | 'from'

/** The attributes in `text`. Throws ERR_CACHE_OPTION. */
export function readAttributes(direction: Direction, text: string): Attributes {
  const invalid = (reason: string, hint?: string): SlipwayError =>
    new SlipwayError({
      code: 'ERR_CACHE_OPTION',
      message: `read --cache-${direction} ${JSON.stringify(withoutSecrets(text))}: ${reason}`,
      ...(hint === undefined ? {} : { hint }),
    })
  const values = valuesOf(text, invalid)
  const type = values.get('type')
  const types = keysOf[direction]
  if (type === undefined) throw invalid('type is missing', `write type=${Object.keys(types).join('|')}`)
  const known = Object.hasOwn(types, type) ? types[type] : undefined
  if (known === undefined) throw invalid(...unknownType(direction, type, Object.keys(types)))
  for (const key of values.keys()) {
    if (key === 'type' || known.includes(key)) continue
    const near = nearest(key, known)
    const hint = near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`
    throw invalid(`unknown key ${JSON.stringify(key)} for type=${type}`, hint)
  }
  return reader(type, values, invalid)
}

function unknownType(direction: Direction, type: string, known: readonly string[]): [string, string] {
  if (direction === 'from' && type === 'inline')
    return ['an inline cache is read by the name of its image', 'write type=registry,ref=IMAGE']
  if (type === 'azblob') return ['type=azblob is not supported', `use one of ${known.join(', ')}`]
  return [`unknown type ${JSON.stringify(type)}`, `known: ${known.join(', ')}`]
}

type Invalid = Attributes['invalid']

function valuesOf(text: string, invalid: Invalid): ReadonlyMap<string, string> {
  const fields = readCsvFields(text)
  if (fields === undefined) throw invalid('misplaced double quote', 'quote a whole field: "mounts=a,b"')
  const [only] = fields
  if (fields.length === 1 && only !== undefined && !only.includes('=')) {
    if (only === '') throw invalid('it is empty')
    return new Map([
      ['type', 'registry'],
      ['ref', only],
    ])
  }
  const values = new Map<string, string>()
  for (const field of fields) {
    const equals = field.indexOf('=')
    if (equals === -1) throw invalid(`${JSON.stringify(field)} is not of the form key=value`)
    const key = field.slice(0, equals).trim().toLowerCase()
    if (values.has(key)) throw invalid(`${key} is given twice`)
    values.set(key, field.slice(equals + 1))
  }
  return values
}

function reader(type: string, values: ReadonlyMap<string, string>, invalid: Invalid): Attributes {
  const text = (key: string): string | undefined => values.get(key) || undefined
  return {
    type,
    text,
    invalid,
    required(key, hint) {
      const value = text(key)
      if (value === undefined) throw invalid(`${key} is missing`, hint)
      return value
    },
    flag(key, fallback) {
      const value = values.get(key)
      if (value === undefined) return fallback
      if (/^(?:true|1|t)$/i.test(value)) return true
      if (/^(?:false|0|f)$/i.test(value)) return false
      throw invalid(`${key} must be true or false, not ${JSON.stringify(value)}`)
    },
    count(key, { least, most }) {
      const value = values.get(key)
      if (value === undefined) return undefined
      const count = Number(value)
      if (/^\d{1,9}$/.test(value) && count >= least && count <= most) return count
      throw invalid(`${key} must be ${least} to ${most}, not ${JSON.stringify(value)}`)
    },
    choice(key, known, fallback) {
      const value = text(key) ?? fallback
      const found = known.find((candidate) => candidate === value)
      if (found !== undefined) return found
      throw invalid(`${key} must be ${known.join(' or ')}, not ${JSON.stringify(value)}`)
    },
  }
}

/** The value as it may be shown. */
function withoutSecrets(text: string): string {
  return text.replace(/((?:secret_access_key|session_token|access_key_id|token|ghtoken)=)[^,"]*/gi, '$1xxxxx')
}
