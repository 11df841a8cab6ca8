// Which compression bytes have, judged by their first ones alone: names and media types are not trusted for this.
import type { LayerCompression } from '../core/media-type.ts'

/** What can be read; written are only the compressions of layers. */
export type Compression = LayerCompression | 'bzip2' | 'xz'

/** As many bytes as `sniffCompression` looks at. */
export const magicBytes = 8

const magics: readonly (readonly [Compression, Buffer])[] = [
  ['bzip2', Buffer.from('BZh', 'latin1')],
  ['gzip', Buffer.from('1f8b08', 'hex')],
  ['xz', Buffer.from('fd377a585a00', 'hex')],
  ['zstd', Buffer.from('28b52ffd', 'hex')],
]

/** The compression whose magic number `start` (`magicBytes` or more, unless the data is shorter) has: the same as for moby. */
export function sniffCompression(start: Uint8Array): Compression {
  const found = magics.find(([, magic]) => magic.equals(start.subarray(0, magic.length)))
  if (found !== undefined) return found[0]
  return isSkippableFrame(start) ? 'zstd' : 'uncompressed'
}

/** A zstd frame for other programs' data: its number is 0x184d2a50 to 0x184d2a5f, little endian, and a length follows. */
function isSkippableFrame(start: Uint8Array): boolean {
  const [first = 0, second, third, fourth] = start
  return start.length >= 8 && (first & 0xf0) === 0x50 && second === 0x2a && third === 0x4d && fourth === 0x18
}
