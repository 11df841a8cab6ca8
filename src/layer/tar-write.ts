// Writes an archive as a stream of large chunks. Bodies are read here, synchronously and straight into
// the outgoing chunk: for many small files that is several times faster than a stream per file.
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { quoted } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { encodeHeader } from './tar-encode.ts'
import { blockSize, type TarEntry } from './tar-entry.ts'

/** An entry and where its body comes from; `entry.size` decides how much of it is read. */
export interface TarInput {
  readonly entry: TarEntry
  /** A regular file (byte path, never followed if a link), or the bytes themselves. Only for files with a size. */
  readonly body?: Buffer | { readonly path: Buffer }
}

const slabBytes = 1024 * 1024

/** The archive's bytes, end mark included; each chunk belongs to the receiver. Throws ERR_TAR_SOURCE when a file is shorter than its entry says. */
export async function* writeTar(
  inputs: Iterable<TarInput> | AsyncIterable<TarInput>,
): AsyncGenerator<Buffer, void, undefined> {
  let slab = Buffer.allocUnsafeSlow(slabBytes)
  let used = 0
  // Hands out what is filled; the rest of the slab goes on being used.
  const cut = (): Buffer => {
    const filled = slab.subarray(0, used)
    slab = slab.subarray(used)
    used = 0
    return filled
  }
  const room = (bytes: number): Buffer | undefined => {
    if (slab.length - used >= bytes) return undefined
    const filled = cut()
    slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes))
    return filled
  }

  for await (const { entry, body } of inputs) {
    const header = encodeHeader(entry)
    const padded = Math.ceil(entry.size / blockSize) * blockSize
    const full = room(header.length + (padded <= slabBytes / 2 ? padded : 0))
    if (full !== undefined && full.length > 0) yield full
    header.copy(slab, used)
    used += header.length
    if (entry.size === 0) continue

    const reader = openBody(entry, body)
    try {
      for (let left = padded, at = 0; left > 0; ) {
        if (slab.length === used) {
          yield cut()
          slab = Buffer.allocUnsafeSlow(slabBytes)
        }
        const part = Math.min(left, slab.length - used)
        const wanted = Math.min(part, Math.max(0, entry.size - at))
        reader.read(slab.subarray(used, used + wanted), at)
        slab.fill(0, used + wanted, used + part)
        used += part
        at += part
        left -= part
      }
    } finally {
      reader.close()
    }
  }
  const full = room(2 * blockSize)
  if (full !== undefined && full.length > 0) yield full
  slab.fill(0, used, used + 2 * blockSize)
  used += 2 * blockSize
  yield cut()
}

interface BodyReader {
  /** Fills `target` with the bytes from `position` on. */
  read(target: Buffer, position: number): void
  close(): void
}

function openBody(entry: TarEntry, body: TarInput['body']): BodyReader {
  if (body === undefined) throw shortBody(entry)
  if (Buffer.isBuffer(body)) {
    if (body.length < entry.size) throw shortBody(entry)
    return { read: (target, position) => void body.copy(target, 0, position), close: () => undefined }
  }
  const fd = openSync(body.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  return {
    read(target, position) {
      for (let done = 0; done < target.length; ) {
        const count = readSync(fd, target, done, target.length - done, position + done)
        if (count === 0) throw shortBody(entry)
        done += count
      }
    },
    close: () => closeSync(fd),
  }
}

function shortBody(entry: TarEntry): SlipwayError {
  return new SlipwayError({
    code: 'ERR_TAR_SOURCE',
    message: `write tar: file ${quoted(entry.path)} is shorter than ${entry.size} bytes`,
  })
}
