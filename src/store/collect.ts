// Small contents in memory, with a limit.
import type { Readable } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import { SlipwayError } from '../core/error.ts'
import type { ContentReader } from './types.ts'

/** All bytes of a stream that is expected to be small; the caller has already bounded it. */
export async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The whole verified content of a small blob, from any reader. Throws ERR_BLOB_TOO_LARGE before reading anything. */
export async function readSmall(
  from: Pick<ContentReader, 'open'>,
  descriptor: Descriptor,
  options: { readonly limitBytes: number; readonly signal?: AbortSignal },
): Promise<Buffer> {
  refuseLarge(descriptor, options.limitBytes)
  return await collect(await from.open(descriptor, options.signal ? { signal: options.signal } : {}))
}

/** Throws ERR_BLOB_TOO_LARGE for a descriptor that announces more than `limitBytes`. */
export function refuseLarge(descriptor: Descriptor, limitBytes: number): void {
  if (descriptor.size <= limitBytes) return
  throw new SlipwayError({
    code: 'ERR_BLOB_TOO_LARGE',
    message: `read ${descriptor.mediaType} ${descriptor.digest}: it has ${descriptor.size} bytes, at most ${limitBytes} are accepted`,
    data: { size: descriptor.size, limit: limitBytes },
  })
}
