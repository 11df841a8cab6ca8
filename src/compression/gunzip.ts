// Reading gzip (RFC 1952) with Node's zlib: any number of members, zeros behind the last one.
import { createGunzip, type Gunzip } from 'node:zlib'
import { corrupt } from './corrupt.ts'

/** The plain bytes of gzip members. Ends in ERR_DECOMPRESS_CORRUPT, which names `what`, when they are damaged or cut off. */
export async function* gunzip(
  source: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const inflate = createGunzip({ chunkSize: 256 * 1024 })
  const fed = feed(source, inflate, what)
  fed.catch((cause: Error) => inflate.destroy(cause)) // the loop below sees the same error
  try {
    for await (const chunk of inflate) yield chunk as Buffer
    await fed
  } catch (cause) {
    const code = (cause as { code?: unknown }).code
    if (typeof code === 'string' && code.startsWith('Z_'))
      throw corrupt(what, 'gzip', (cause as Error).message, cause)
    throw cause
  } finally {
    inflate.destroy()
  }
}

/** Gives all of `source` to `inflate`. Node reads on at a further gzip member, and takes zeros for the end of the data. */
async function feed(source: AsyncIterable<Uint8Array>, inflate: Gunzip, what: string): Promise<void> {
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
    if (padding.some((byte) => byte !== 0)) throw corrupt(what, 'gzip', 'there is something behind its end')
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
