// Which compression a layer's bytes have, and turning them into the plain tar and back. Everything
// streams; the formats themselves are in gzip.ts and zstd.ts.
import { createGunzip, type Gunzip } from 'node:zlib'
import { SlipwayError } from '../core/error.ts'
import type { LayerCompression } from '../core/media-type.ts'
import { gzip } from './gzip.ts'
import { unzstd, zstd } from './zstd.ts'

/** The compression whose magic number `start` (4 bytes or more, unless the data is shorter) has. Media types are not trusted for this. */
export function sniffCompression(start: Uint8Array): LayerCompression {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip'
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) return 'zstd'
  // A skippable zstd frame may come first (its number is 0x184d2a50 to 0x184d2a5f, little endian).
  if (((start[0] ?? 0) & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18)
    return 'zstd'
  return 'uncompressed'
}

/** The plain bytes of `source`, whichever compression it has. Ends in ERR_LAYER_CORRUPT when the data is cut off or damaged; failures of `source` itself come through unchanged. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  const start: Uint8Array[] = []
  let length = 0
  let ended = false
  while (length < 4 && !ended) {
    const next = await iterator.next()
    if (next.done === true) ended = true
    else {
      start.push(next.value)
      length += next.value.length
    }
  }
  const whole = resume(start, ended ? undefined : iterator)
  const compression = sniffCompression(Buffer.concat(start))
  if (compression === 'gzip') yield* gunzip(whole)
  else if (compression === 'zstd') yield* unzstd(whole)
  else yield* whole
}

/** What was already taken from an iterator, then the rest of it. */
async function* resume(
  taken: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* taken
    for (
      let next = await iterator?.next();
      next !== undefined && next.done !== true;
      next = await iterator?.next()
    ) {
      yield next.value
    }
    iterator = undefined
  } finally {
    await iterator?.return?.()
  }
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const inflate = createGunzip({ chunkSize: 256 * 1024 })
  const fed = feed(source, inflate)
  fed.catch((cause: Error) => inflate.destroy(cause)) // the loop below sees the same error
  try {
    for await (const chunk of inflate) yield chunk as Buffer
    await fed
  } catch (cause) {
    const code = (cause as { code?: unknown }).code
    if (typeof code === 'string' && code.startsWith('Z_')) throw corrupt((cause as Error).message, cause)
    throw cause
  } finally {
    inflate.destroy()
  }
}

/** Gives all of `source` to `inflate`. Node reads on at a further gzip member, and takes zeros for the end of the data. */
async function feed(source: AsyncIterable<Uint8Array>, inflate: Gunzip): Promise<void> {
  let given = 0
  let isPadding = false
  for await (const chunk of source) {
    let padding = chunk
    if (!isPadding) {
      await write(inflate, chunk)
      given += chunk.length
      const unread = given - inflate.bytesWritten
      isPadding = unread > 0
      if (!isPadding && inflate.destroyed) return
      padding = chunk.subarray(chunk.length - unread)
    }
    if (padding.some((byte) => byte !== 0)) throw corrupt('there is something behind its end')
  }
  if (!isPadding) inflate.end()
}

function write(inflate: Gunzip, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => resolve()
    inflate.once('close', onClose)
    inflate.write(chunk, (error) => {
      inflate.off('close', onClose)
      if (error) reject(error)
      else resolve()
    })
  })
}

function corrupt(reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({ code: 'ERR_LAYER_CORRUPT', message: `gzip layer: ${reason}`, cause })
}

export interface CompressOptions {
  /** gzip 0–9 (6), zstd 1–22 (3). */
  readonly level?: number
}

/** The bytes of `source` in another compression; for one Node version and level always the same. */
export function compress(
  source: AsyncIterable<Uint8Array>,
  compression: LayerCompression,
  options: CompressOptions = {},
): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'uncompressed':
      return source
    case 'gzip':
      return gzip(source, options.level ?? 6)
    case 'zstd':
      return zstd(source, options.level ?? 3)
  }
}
