// The plain bytes of data in any compression (layers, archives of ADD, contexts), as a stream of bounded
// memory. What the formats are is left to gunzip.ts and decoder.ts; what the bytes mean, to the callers.
import { SlipwayError } from '../core/error.ts'
import type { Native } from '../sys/native.ts'
import { runDecoder } from './decoder.ts'
import { magicBytes, sniffCompression } from './format.ts'
import { gunzip } from './gunzip.ts'
import { peek } from './peek.ts'

export interface DecompressOptions {
  readonly native: Native
  /** What is read, for messages: `layer`, `"/app.tar.xz"`. */
  readonly what: string
  readonly signal?: AbortSignal
  /** Plain bytes at most; 64 GiB if absent. No ratio is judged: an image of a disk that is all zeros is honest. */
  readonly maxBytes?: number
}

const defaultMaxBytes = 64 * 2 ** 30

/**
 * The plain bytes of `source`, whichever compression it has; several members, streams or frames in a row are read as
 * one. Ends in ERR_DECOMPRESS_CORRUPT when the data is cut off or damaged, in ERR_DECOMPRESS_UNSUPPORTED when it needs a
 * dictionary or a window of more than 512 MiB, and in ERR_DECOMPRESS_LIMIT when there is more of it than allowed; failures of `source` itself come through unchanged. Whoever stops early releases everything.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { native, what, maxBytes = defaultMaxBytes, signal = new AbortController().signal } = options
  const { start, whole } = await peek(source, magicBytes)
  const compression = sniffCompression(start)
  const plain =
    compression === 'uncompressed'
      ? whole
      : compression === 'gzip'
        ? gunzip(whole, what)
        : runDecoder(compression, whole, { native, what, signal })
  let size = 0
  for await (const chunk of plain) {
    signal.throwIfAborted()
    size += chunk.length
    if (size > maxBytes) {
      throw new SlipwayError({
        code: 'ERR_DECOMPRESS_LIMIT',
        message: `decompress ${what}: it expands to more than ${sizeText(maxBytes)}`,
      })
    }
    yield chunk
  }
}

function sizeText(bytes: number): string {
  return bytes % 2 ** 30 === 0 ? `${bytes / 2 ** 30} GiB` : `${bytes} bytes`
}
