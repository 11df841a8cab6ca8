// The document that a BuildKit cache is: records (what was done, to what) and layers (what came of it). One from
// elsewhere is believed nothing: not its shape, nor its sizes, nor that its links end.
import { type Digest, isDigest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'

export const cacheConfigType = 'application/vnd.buildkit.cacheconfig.v0'

export interface CacheConfig {
  readonly layers: readonly CacheLayer[]
  readonly records: readonly ConfigRecord[]
}

export interface CacheLayer {
  readonly blob: Digest
  /** Index of the layer below; -1 is none. */
  readonly parent: number
  /** Where no manifest says it (S3, GitHub). */
  readonly annotations?: LayerAnnotations
}

export interface LayerAnnotations {
  readonly mediaType: string
  readonly diffId: Digest
  readonly size: number
  readonly createdAt: string
}

export interface ConfigRecord {
  readonly digest: Digest
  /** For each input the records that it may be. */
  readonly inputs: readonly (readonly RecordInput[])[]
  readonly results: readonly RecordResult[]
}

export interface RecordInput {
  readonly selector: string
  readonly link: number
}

export interface RecordResult {
  /** Indexes of layers, bottom first. */
  readonly layers: readonly number[]
  readonly created: string
  /** Written so that BuildKit before 0.11 does not see it: that finds a result in one record or in none. */
  readonly isForNewer?: true
}

/** More than any build has; what is beyond was made to hurt. */
const mostRecords = 100_000
const mostLinks = 1_000_000
const mostLayers = 100_000
/** As many as Linux stacks, and some. */
const deepestChain = 1000
/** Of all results together. */
const mostResultLayers = 4_000_000

/** The config in a blob. Throws ERR_CACHE_INVALID. */
export function parseCacheConfig(text: string): CacheConfig {
  const value = objectOf(parseJson(text), 'it is no object')
  const layers = listOf(value.layers, mostLayers, 'layers').map(layerOf)
  return { layers, records: recordsOf(value.records, layers) }
}

/** Records alone, as an image holds them whose own layers they name by number. Throws ERR_CACHE_INVALID. */
export function parseInlineRecords(text: string, layers: readonly Digest[]): CacheConfig {
  const chain = layers.map((blob, index): CacheLayer => ({ blob, parent: index - 1 }))
  return { layers: chain, records: recordsOf(parseJson(text), chain) }
}

/** The text of a config, its members as BuildKit writes them. */
export function encodeCacheConfig({ layers, records }: CacheConfig): string {
  return JSON.stringify({
    ...(layers.length === 0 ? {} : { layers: layers.map(layerJson) }),
    ...(records.length === 0 ? {} : { records: records.map((record) => recordJson(record, layers)) }),
  })
}

/** The text of records whose layers are those of an image, in its order. */
export function encodeInlineRecords({ layers, records }: CacheConfig): string {
  return JSON.stringify(records.map((record) => recordJson(record, layers)))
}

function layerJson({ blob, parent, annotations }: CacheLayer) {
  return {
    blob,
    // Go leaves 0 out, and reads what is not there as 0.
    ...(parent === 0 ? {} : { parent }),
    ...(annotations === undefined
      ? {}
      : {
          annotations: {
            mediaType: annotations.mediaType,
            diffID: annotations.diffId,
            size: annotations.size,
            createdAt: annotations.createdAt,
          },
        }),
  }
}

function recordJson({ digest, inputs, results }: ConfigRecord, layers: readonly CacheLayer[]) {
  const isPlain = (result: RecordResult): boolean => !result.isForNewer && isChain(result, layers)
  const chained = results.filter((result) => !isPlain(result))
  const plain = results.filter(isPlain)
  return {
    ...(plain.length === 0
      ? {}
      : { layers: plain.map((result) => ({ layer: result.layers.at(-1), createdAt: result.created })) }),
    ...(chained.length === 0
      ? {}
      : { chains: chained.map((result) => ({ layers: result.layers, createdAt: result.created })) }),
    digest,
    ...(inputs.length === 0
      ? {}
      : {
          inputs: inputs.map((links) =>
            links.map(({ selector, link }) => ({ ...(selector === '' ? {} : { selector }), link })),
          ),
        }),
  }
}

/** Whether a result is all that its top layer stands on. */
function isChain({ layers: indexes }: RecordResult, layers: readonly CacheLayer[]): boolean {
  return indexes.every((index, i) => layers[index]?.parent === (i === 0 ? -1 : indexes[i - 1]))
}

function recordsOf(value: unknown, layers: readonly CacheLayer[]): readonly ConfigRecord[] {
  const list = listOf(value, mostRecords, 'records')
  let links = 0
  let stacked = 0
  // While they are made: those of one record alone can be more than memory holds.
  const count = (chain: readonly number[]): readonly number[] => {
    stacked += chain.length
    if (stacked > mostResultLayers) throw invalid('its results have too many layers')
    return chain
  }
  return list.map((item) => {
    const record = objectOf(item, 'a record is no object')
    if (!isDigest(record.digest)) throw invalid('a record has no sha256 digest')
    const inputs = listOf(record.inputs, mostLinks, 'inputs').map((alternatives) =>
      listOf(alternatives, mostLinks, 'inputs').map((input) => {
        if (++links > mostLinks) throw invalid('its records have too many inputs')
        return inputOf(input, list.length)
      }),
    )
    return { digest: record.digest, inputs, results: resultsOf(record, layers, count) }
  })
}

function inputOf(value: unknown, records: number): RecordInput {
  const { selector = '', link = 0 } = objectOf(value, 'an input is no object')
  if (typeof selector !== 'string') throw invalid('a selector is no text')
  return { selector, link: indexOf(link, records, 'record') }
}

function resultsOf(
  record: Readonly<Record<string, unknown>>,
  layers: readonly CacheLayer[],
  count: (chain: readonly number[]) => readonly number[],
): readonly RecordResult[] {
  const plain = listOf(record.layers, mostLayers, 'results').map((item): RecordResult => {
    const { layer = 0, createdAt } = objectOf(item, 'a result is no object')
    const chain = count(chainOf(indexOf(layer, layers.length, 'layer'), layers))
    return { layers: chain, created: timeOf(createdAt) }
  })
  const chained = listOf(record.chains, mostLayers, 'results').map((item): RecordResult => {
    const chain = objectOf(item, 'a result is no object')
    const indexes = listOf(chain.layers, deepestChain, 'layers of a result')
    return {
      layers: count(indexes.map((index) => indexOf(index, layers.length, 'layer'))),
      created: timeOf(chain.createdAt),
    }
  })
  return [...plain, ...chained]
}

function chainOf(top: number, layers: readonly CacheLayer[]): readonly number[] {
  const chain: number[] = []
  for (let index = top; index !== -1; index = layers[index]?.parent ?? -1) {
    chain.push(index)
    if (chain.length > deepestChain) throw invalid('layers stand on each other without an end')
  }
  return chain.reverse()
}

function layerOf(value: unknown, _index: number, all: readonly unknown[]): CacheLayer {
  const { blob, parent = 0, annotations } = objectOf(value, 'a layer is no object')
  if (!isDigest(blob)) throw invalid('a layer has no sha256 digest')
  const below = parent === -1 ? -1 : indexOf(parent, all.length, 'layer')
  if (annotations === undefined || annotations === null) return { blob, parent: below }
  const { mediaType, diffID, size, createdAt } = objectOf(annotations, 'annotations are no object')
  if (typeof mediaType !== 'string' || !isDigest(diffID))
    throw invalid('a layer has no media type or diff id')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid('a layer has no size')
  return {
    blob,
    parent: below,
    annotations: { mediaType, diffId: diffID, size, createdAt: timeOf(createdAt) },
  }
}

function indexOf(value: unknown, length: number, what: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < length) return value
  throw invalid(`there is no ${what} ${typeof value === 'number' ? value : `of type ${typeof value}`}`)
}

/** A time in RFC 3339, which reaches the history of images; anything else is the beginning of time. */
export function timeOf(value: unknown): string {
  const isTime =
    typeof value === 'string' &&
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/.test(value) &&
    !Number.isNaN(Date.parse(value))
  return isTime ? value : '0001-01-01T00:00:00Z'
}

function listOf(value: unknown, most: number, what: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid(`its ${what} are no list`)
  if (value.length > most) throw invalid(`it has more than ${most} ${what}`)
  return value
}

function objectOf(value: unknown, reason: string): Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalid(reason)
  return value as Readonly<Record<string, unknown>>
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid('it is no JSON', cause)
  }
}

function invalid(reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({ code: 'ERR_CACHE_INVALID', message: `read cache config: ${reason}`, cause })
}
