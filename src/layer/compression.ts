// The bytes of a layer in the compression it leaves with. The formats themselves are in gzip.ts and zstd.ts;
// reading them is the business of ../compression.
import type { LayerCompression } from '../core/media-type.ts'
import { gzip } from './gzip.ts'
import { zstd } from './zstd.ts'

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
