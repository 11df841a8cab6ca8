// The bytes of configs, manifests and indexes: one text per value, in the member order docker and BuildKit
// write, so that an unchanged image has an unchanged digest.
import type { Descriptor } from '../core/descriptor.ts'
import { digestOf } from '../core/digest.ts'
import { mediaType } from '../core/media-type.ts'
import { containerMembers, type ImageConfig, type Index, type Manifest } from './types.ts'

/** A document ready to be stored: its bytes and the descriptor that names exactly them. */
export interface Encoded {
  readonly bytes: Buffer
  readonly descriptor: Descriptor
}

/** These bytes under their own digest. */
export function encoded(type: string, bytes: Buffer): Encoded {
  return { bytes, descriptor: { mediaType: type, digest: digestOf(bytes), size: bytes.byteLength } }
}

/** The config blob. Top-level members are sorted (BuildKit), nested ones in the order of the OCI Go types; empty members are left out. */
export function encodeConfig(config: ImageConfig, type: string = mediaType.ociConfig): Encoded {
  const { config: container, history, ...rest } = config
  const value = {
    ...rest,
    config: ordered({ ...container }, containerMembers),
    ...(history === undefined
      ? {}
      : { history: history.map((entry) => ordered({ ...entry }, historyOrder)) }),
  }
  return encoded(type, Buffer.from(JSON.stringify(ordered(value, []))))
}

const historyOrder = ['created', 'created_by', 'author', 'comment', 'empty_layer']
const sortedMaps: ReadonlySet<string> = new Set(['ExposedPorts', 'Volumes', 'Labels'])

type Members = Readonly<Record<string, unknown>>

// Members named in `order` first, then the others sorted.
function ordered(value: Members, order: readonly string[]): Members {
  const others = Object.keys(value).filter((key) => !order.includes(key))
  const entries = [...order, ...others.sort()].flatMap((key): [string, unknown][] => {
    const member = Object.hasOwn(value, key) ? value[key] : undefined
    if (order.length > 0 && isEmpty(member)) return []
    return member === undefined ? [] : [[key, sortedMaps.has(key) ? ordered(member as Members, []) : member]]
  })
  return Object.fromEntries(entries)
}

function isEmpty(member: unknown): boolean {
  if (member === undefined || member === null || member === '' || member === false) return true
  return typeof member === 'object' && Object.keys(member).length === 0
}

/** The manifest blob, `schemaVersion` and `mediaType` first. */
export function encodeManifest(manifest: Manifest): Encoded {
  const type = manifest.mediaType ?? mediaType.ociManifest
  const { config, layers, annotations } = manifest
  const value = {
    schemaVersion: 2,
    mediaType: type,
    config: bare(config),
    layers: layers.map(bare),
    ...(annotations === undefined ? {} : { annotations }),
  }
  return encoded(type, Buffer.from(JSON.stringify(value)))
}

/** The index blob, `schemaVersion` and `mediaType` first. */
export function encodeIndex(index: Index): Encoded {
  const type = index.mediaType ?? mediaType.ociIndex
  const { manifests, annotations } = index
  const value = {
    schemaVersion: 2,
    mediaType: type,
    manifests: manifests.map(inOrder),
    ...(annotations === undefined ? {} : { annotations }),
  }
  return encoded(type, Buffer.from(JSON.stringify(value)))
}

function inOrder({ mediaType, digest, size, ...rest }: Descriptor): Descriptor {
  return { mediaType, digest, size, ...rest }
}

// What a descriptor says about how its image was found (platform, annotations of a pull) is not part of this image.
function bare({ mediaType, digest, size, annotations, urls }: Descriptor): Descriptor {
  return {
    mediaType,
    digest,
    size,
    ...(urls === undefined || urls.length === 0 ? {} : { urls }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}
