// Manifests, indexes and image configs from untrusted bytes: types checked field by field, sizes bounded,
// digests validated, ambiguous documents refused. What the values mean is for others.
import { parseDigest } from '../core/digest.ts'
import {
  isConfigType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  maxManifestBytes,
  mediaType,
} from '../core/media-type.ts'
import {
  asArray,
  asBoolean,
  asDescriptor,
  asInteger,
  asObject,
  asString,
  asStringMap,
  asStrings,
  fail,
  type JsonObject,
  optional,
  parseObject,
  type Subject,
} from './json-checks.ts'
import {
  type ContainerConfig,
  containerMembers,
  type Healthcheck,
  type History,
  type ImageConfig,
  type Index,
  type Manifest,
} from './types.ts'

/** Bytes. */
export const maxConfigBytes = 8 << 20
/** More layers than this cannot be mounted or unpacked by anything. */
const maxLayers = 512
const maxIndexEntries = 4096

const manifestSubject: Subject = {
  name: 'manifest',
  code: 'ERR_MANIFEST_INVALID',
  limitBytes: maxManifestBytes,
}
const indexSubject: Subject = { ...manifestSubject, name: 'index' }
const configSubject: Subject = {
  name: 'image config',
  code: 'ERR_CONFIG_INVALID',
  limitBytes: maxConfigBytes,
}

/** A manifest or an index, whichever the bytes are; `mediaType` is what the transport claimed. */
export type ImageDocument =
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: Index }

/** The document in these bytes. The document's own `mediaType` decides; a transport's claim that contradicts it is refused. */
export function parseDocument(bytes: Uint8Array, mediaType?: string): ImageDocument {
  const object = parseObject(bytes, manifestSubject)
  const type = checkedType(object, mediaType)
  return isIndexType(type)
    ? { kind: 'index', mediaType: type, index: toIndex(object) }
    : { kind: 'manifest', mediaType: type, manifest: toManifest(object) }
}

/** An OCI manifest or docker schema 2 manifest. Throws ERR_MANIFEST_INVALID, ERR_MANIFEST_UNSUPPORTED. */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const document = parseDocument(bytes, mediaType)
  if (document.kind === 'manifest') return document.manifest
  return fail(manifestSubject, 'it is an index of several manifests, not a manifest')
}

/** An OCI index or docker manifest list. Throws ERR_MANIFEST_INVALID, ERR_MANIFEST_UNSUPPORTED. */
export function parseIndex(bytes: Uint8Array, mediaType?: string): Index {
  const document = parseDocument(bytes, mediaType)
  if (document.kind === 'index') return document.index
  return fail(indexSubject, 'it is the manifest of one image, not an index')
}

function checkedType(object: JsonObject, claimed: string | undefined): string {
  const written = object.mediaType
  const own =
    written === undefined || written === '' ? undefined : asString(written, manifestSubject, 'mediaType')
  // Content-Type may carry parameters; only a known image type counts as a claim, `text/plain` is no claim.
  const claim = claimed?.split(';')[0]?.trim().toLowerCase()
  if (object.schemaVersion === 1 || isSchema1Type(own ?? claim ?? '')) {
    fail(
      { ...manifestSubject, code: 'ERR_MANIFEST_UNSUPPORTED' },
      'docker manifest schema 1 is not supported',
      'push the image again with a current docker, or copy it once with: skopeo copy --format v2s2',
    )
  }
  if (object.schemaVersion !== 2) fail(manifestSubject, `schemaVersion must be 2`)
  const hasManifests = Object.hasOwn(object, 'manifests')
  // CVE-2021-41190: a document that reads as both must not mean one thing here and another elsewhere.
  if (hasManifests && (Object.hasOwn(object, 'layers') || Object.hasOwn(object, 'config'))) {
    fail(manifestSubject, 'it is ambiguous: it has the members of a manifest and of an index')
  }
  const shape = hasManifests ? isIndexType : isManifestType
  const claimIsKnown = claim !== undefined && (isIndexType(claim) || isManifestType(claim))
  if (own !== undefined && claimIsKnown && own !== claim) {
    fail(manifestSubject, `it says it is ${JSON.stringify(own)} but was sent as ${JSON.stringify(claim)}`)
  }
  const type = own ?? (claimIsKnown ? claim : undefined)
  if (type === undefined) {
    return hasManifests ? mediaType.ociIndex : mediaType.ociManifest
  }
  if (!isIndexType(type) && !isManifestType(type)) {
    fail(
      { ...manifestSubject, code: 'ERR_MANIFEST_UNSUPPORTED' },
      `media type ${JSON.stringify(type.slice(0, 200))} is not an image`,
    )
  }
  if (!shape(type)) fail(manifestSubject, `its members contradict its media type ${type}`)
  return type
}

function toManifest(object: JsonObject): Manifest {
  const s = manifestSubject
  const config = asDescriptor(object.config, s, 'config')
  // What is no image (a build cache, say) lists as much as an index may.
  const isImage = isConfigType(config.mediaType)
  const layers = asArray(object.layers, s, 'layers', isImage ? maxLayers : maxIndexEntries)
  return {
    schemaVersion: 2,
    ...optional(object, 'mediaType', (v, at) => asString(v, s, at)),
    config,
    layers: layers.map((layer, i) => asDescriptor(layer, s, `layers[${i}]`)),
    ...optional(object, 'annotations', (v, at) => asStringMap(v, s, at)),
  }
}

function toIndex(object: JsonObject): Index {
  const s = indexSubject
  const manifests = asArray(object.manifests, s, 'manifests', maxIndexEntries)
  return {
    schemaVersion: 2,
    ...optional(object, 'mediaType', (v, at) => asString(v, s, at)),
    manifests: manifests.map((entry, i) => asDescriptor(entry, s, `manifests[${i}]`)),
    ...optional(object, 'annotations', (v, at) => asStringMap(v, s, at)),
  }
}

/** An image config. Members that OCI and docker do not define are kept unchecked. Throws ERR_CONFIG_INVALID. */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const s = configSubject
  const object = parseObject(bytes, s)
  const rootfs = asObject(object.rootfs, s, 'rootfs')
  if (rootfs.type !== 'layers') fail(s, `rootfs.type must be "layers"`)
  // Go writes null for the list of an image without layers.
  const diffIds = asArray(rootfs.diff_ids ?? [], s, 'rootfs.diff_ids', maxLayers)
  const unknown = Object.fromEntries(Object.entries(object).filter(([key]) => !knownMembers.has(key)))
  return {
    ...unknown,
    architecture: nonEmpty(object.architecture, 'architecture'),
    os: nonEmpty(object.os, 'os'),
    ...optional(object, 'created', (v, at) => asString(v, s, at)),
    ...optional(object, 'author', (v, at) => asString(v, s, at)),
    ...optional(object, 'variant', (v, at) => asString(v, s, at)),
    ...optional(object, 'config', (v, at) => toContainerConfig(asObject(v, s, at))),
    rootfs: {
      type: 'layers',
      diff_ids: diffIds.map((id, i) => parseDigest(asString(id, s, `rootfs.diff_ids[${i}]`))),
    },
    ...optional(object, 'history', (v, at) =>
      asArray(v, s, at, 10_000).map((h, i) => toHistory(h, `${at}[${i}]`)),
    ),
  }
}

const knownMembers: ReadonlySet<string> = new Set([
  'architecture',
  'os',
  'created',
  'author',
  'variant',
  'config',
  'rootfs',
  'history',
])

function nonEmpty(value: unknown, field: string): string {
  const text = asString(value, configSubject, field)
  if (text === '') fail(configSubject, `${field} is empty`)
  return text
}

function toContainerConfig(object: JsonObject): ContainerConfig {
  const s = configSubject
  const text = (value: unknown, at: string): string => asString(value, s, at)
  const texts = (value: unknown, at: string): readonly string[] => asStrings(value, s, at)
  const set = (value: unknown, at: string): Readonly<Record<string, Record<string, never>>> =>
    Object.fromEntries(Object.keys(asObject(value, s, at)).map((key) => [key, {}]))
  const unknown = Object.fromEntries(Object.entries(object).filter(([key]) => !knownConfigMembers.has(key)))
  return {
    ...unknown,
    ...optional(object, 'User', text, 'config.'),
    ...optional(object, 'ExposedPorts', set, 'config.'),
    ...optional(object, 'Env', texts, 'config.'),
    ...optional(object, 'Entrypoint', texts, 'config.'),
    ...optional(object, 'Cmd', texts, 'config.'),
    ...optional(object, 'Volumes', set, 'config.'),
    ...optional(object, 'WorkingDir', text, 'config.'),
    ...optional(object, 'Labels', (v, at) => asStringMap(v, s, at), 'config.'),
    ...optional(object, 'StopSignal', text, 'config.'),
    ...optional(object, 'Healthcheck', (v, at) => toHealthcheck(asObject(v, s, at), at), 'config.'),
    ...optional(object, 'OnBuild', texts, 'config.'),
    ...optional(object, 'Shell', texts, 'config.'),
    ...optional(object, 'ArgsEscaped', (v, at) => asBoolean(v, s, at), 'config.'),
  }
}

const knownConfigMembers: ReadonlySet<string> = new Set(containerMembers)

function toHealthcheck(object: JsonObject, field: string): Healthcheck {
  const s = configSubject
  const nanoseconds = (value: unknown, at: string): number => {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) fail(s, `${at} must be a duration`)
    return value as number
  }
  const inside = `${field}.`
  return {
    ...optional(object, 'Test', (v, at) => asStrings(v, s, at), inside),
    ...optional(object, 'Interval', nanoseconds, inside),
    ...optional(object, 'Timeout', nanoseconds, inside),
    ...optional(object, 'StartPeriod', nanoseconds, inside),
    ...optional(object, 'StartInterval', nanoseconds, inside),
    ...optional(object, 'Retries', (v, at) => asInteger(v, s, at, 0), inside),
  }
}

function toHistory(value: unknown, field: string): History {
  const s = configSubject
  const object = asObject(value, s, field)
  const text = (member: unknown, at: string): string => asString(member, s, at)
  const inside = `${field}.`
  return {
    ...optional(object, 'created', text, inside),
    ...optional(object, 'created_by', text, inside),
    ...optional(object, 'author', text, inside),
    ...optional(object, 'comment', text, inside),
    ...optional(object, 'empty_layer', (v, at) => asBoolean(v, s, at), inside),
  }
}
