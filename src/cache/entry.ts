// What a file under `records/` says: a record, or the id of one. Anything else is damage, and damage is a miss.
import { type Digest, isDigest } from '../core/digest.ts'
import type { CacheKey, CacheRecord, LayerRef, RecordStep } from '../solve/types.ts'

export type Entry = { readonly record: CacheRecord } | { readonly alias: Digest }

/** The text of an entry's file. */
export function encodeEntry(entry: Entry): string {
  return JSON.stringify({ version: 1, ...entry })
}

/** The entry in a file's text; undefined when it is damaged, of another version, or not about `id`. */
export function decodeEntry(text: string, id: Digest): Entry | undefined {
  const value = parse(text)
  if (value?.version !== 1) return undefined
  if (isDigest(value.alias)) return { alias: value.alias }
  return isRecord(value.record) && value.record.id === id ? { record: value.record } : undefined
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    // A power cut may leave a file empty or torn: the record is then simply not there.
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function isKey(value: unknown): value is CacheKey {
  return (
    isObject(value) &&
    value.version === 1 &&
    isObject(value.op) &&
    Array.isArray(value.inputs) &&
    value.inputs.every(isDigest)
  )
}

function isRecord(value: unknown): value is CacheRecord {
  if (!isObject(value) || !isDigest(value.id) || !isKey(value.key) || !isObject(value.result)) return false
  if (typeof value.created !== 'string' || !isDigest(value.result.id)) return false
  // Older records have neither.
  if (value.tookMs !== undefined && !isCount(value.tookMs)) return false
  if (value.step !== undefined && !isStep(value.step)) return false
  if (value.imported !== undefined && value.imported !== true) return false
  const { layers } = value.result
  return Array.isArray(layers) && layers.every(isLayer)
}

function isStep(value: unknown): value is RecordStep {
  return (
    isObject(value) &&
    [value.build, value.stage, value.title].every((text) => typeof text === 'string') &&
    Number.isInteger(value.ordinal) &&
    (value.file === undefined || typeof value.file === 'string') &&
    (value.line === undefined || isCount(value.line))
  )
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isLayer(value: unknown): value is LayerRef {
  if (!isObject(value)) return false
  // The id becomes a path.
  if (value.kind === 'snapshot') return typeof value.id === 'string' && /^[A-Za-z0-9]+$/.test(value.id)
  if ((value.kind !== 'blob' && value.kind !== 'archive') || !isObject(value.descriptor))
    return value.kind === 'directory'
  if (value.created !== undefined && typeof value.created !== 'string') return false
  return isDigest(value.descriptor.digest) && isDigest(value.diffId)
}

/** The layers of a value that should be a result; none when it is none. */
export function decodeLayers(value: unknown): readonly LayerRef[] {
  const layers = isObject(value) ? value.layers : undefined
  return Array.isArray(layers) && layers.every(isLayer) ? layers : []
}
