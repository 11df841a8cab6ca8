// Which descriptors a manifest or an index points to. Only what walking needs; what images mean is src/image's.
import type { Descriptor } from '../core/descriptor.ts'
import { parseDigest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { isDocumentType, isIndexType } from '../core/media-type.ts'

const maxChildren = 4096

/** What `bytes`, the verified content of `descriptor`, points to; nothing for blobs. Throws ERR_MANIFEST_INVALID. */
export function childrenOf(descriptor: Descriptor, bytes: Uint8Array): readonly Descriptor[] {
  if (!isDocumentType(descriptor.mediaType)) return []
  const document = parseObject(descriptor, bytes)
  if (isIndexType(descriptor.mediaType)) return list(descriptor, document.manifests)
  return [...list(descriptor, [document.config]), ...list(descriptor, document.layers)]
}

function parseObject(descriptor: Descriptor, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch (cause) {
    throw invalid(descriptor, 'it is not JSON', cause)
  }
  if (value === null || typeof value !== 'object') throw invalid(descriptor, 'it is not a JSON object')
  return value as Readonly<Record<string, unknown>>
}

function list(parent: Descriptor, value: unknown): readonly Descriptor[] {
  if (!Array.isArray(value)) throw invalid(parent, 'a list of descriptors is missing')
  if (value.length > maxChildren) throw invalid(parent, `more than ${maxChildren} descriptors`)
  return value.map((member: unknown) => {
    const descriptor = member as Partial<Descriptor> | null
    if (descriptor === null || typeof descriptor !== 'object' || typeof descriptor.mediaType !== 'string') {
      throw invalid(parent, 'a descriptor has no media type')
    }
    if (!Number.isSafeInteger(descriptor.size) || (descriptor.size ?? -1) < 0) {
      throw invalid(parent, 'a descriptor has no valid size')
    }
    return { ...(descriptor as Descriptor), digest: parseDigest(descriptor.digest) }
  })
}

function invalid(descriptor: Descriptor, why: string, cause?: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_MANIFEST_INVALID',
    message: `read manifest ${descriptor.digest}: ${why}`,
    ...(cause === undefined ? {} : { cause }),
  })
}
