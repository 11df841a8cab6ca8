// Layers in another compression, made when they leave the store and remembered there: compressing is the
// most expensive thing a push does.
import { mkdir, readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import { hexOf, isDigest } from '../core/digest.ts'
import { errnoOf } from '../core/error.ts'
import { type LayerCompression, ociLayerType } from '../core/media-type.ts'
import type { WriteHint } from '../store/hints.ts'
import { onDisk } from '../store/storage-failure.ts'
import type { ContentStore } from '../store/types.ts'
import { compress } from './compression.ts'

export interface ConvertOptions {
  readonly store: Pick<ContentStore, 'has' | 'open' | 'put' | 'exclusive'>
  /** Directory of the remembered results; made when missing. */
  readonly variants: string
  readonly writeHint: WriteHint
  readonly compression: LayerCompression
  /** Absent: the usual one of the format. */
  readonly level?: number
  readonly signal: AbortSignal
  /** Hears how many bytes of the plain layer have been read; never called for a remembered result. */
  readonly onRead?: (bytes: number) => void
}

/** The blob that holds the plain tar `layer` in the wanted compression. Postcondition: it is in the store. */
export async function convertLayer(layer: Descriptor, options: ConvertOptions): Promise<Descriptor> {
  const { store, variants, writeHint, compression, level, signal } = options
  if (compression === 'uncompressed') return layer
  const path = `${variants}/${hexOf(layer.digest)}-${compression}${level === undefined ? '' : `-${level}`}.json`
  return (
    (await recall(path, options)) ??
    (await store.exclusive(layer.digest, signal, async () => {
      const known = await recall(path, options)
      if (known !== undefined) return known
      const body = await store.open(layer, { signal })
      const compressed = compress(
        counted(body, options.onRead),
        compression,
        level === undefined ? {} : { level },
      )
      const stream = Readable.from(compressed, { objectMode: false, highWaterMark: 1024 * 1024 })
      try {
        const made = await store.put({ mediaType: ociLayerType(compression) }, stream, { signal })
        await onDisk('create', variants, () => mkdir(variants, { recursive: true, mode: 0o700 }))
        // Need not survive a power cut: without it the layer is compressed once more.
        await onDisk('write', path, async () => writeHint(path, JSON.stringify(made)))
        return made
      } finally {
        stream.destroy()
        body.destroy()
      }
    }))
  )
}

async function* counted(
  body: AsyncIterable<Buffer>,
  onRead: ConvertOptions['onRead'],
): AsyncGenerator<Buffer, void, undefined> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    onRead?.(bytes)
    yield chunk
  }
}

/** A result remembered at `path` whose blob is still there; anything unreadable counts as forgotten. */
async function recall(path: string, { store, compression }: ConvertOptions): Promise<Descriptor | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
  const { digest, size } = parseRecord(text)
  if (!isDigest(digest) || typeof size !== 'number' || !Number.isSafeInteger(size)) return undefined
  const descriptor: Descriptor = { mediaType: ociLayerType(compression), digest, size }
  return (await store.has(descriptor)) ? descriptor : undefined
}

function parseRecord(text: string): { readonly digest?: unknown; readonly size?: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? value : {}
  } catch {
    return {}
  }
}
