// tar-stream with slipway's headers: the library's own lose bytes of names and attributes, ids above 2097151
// and times outside 1970–2038 (seen with 3.2.2, which is why that version is pinned).
import type { Pack } from 'tar-stream'

/** What tar-stream takes as an entry's header. */
export type PackHeader = Parameters<Pack['entry']>[0]

/** What `pack` calls to put an entry's header blocks into the archive; not part of its typed interface. */
interface EncodingPack {
  _encode(header: PackHeader): void
}

/** Makes `archive` write what `encode` returns as the header of each entry: whole 512-byte blocks, extended headers included. */
export function encodeHeadersWith(archive: Pack, encode: (header: PackHeader) => Buffer): void {
  const hooked: Pack & EncodingPack = Object.assign(archive, {
    _encode: (header: PackHeader): void => {
      hooked.push(encode(header))
    },
  })
}
