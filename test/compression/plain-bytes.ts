// Reading compressed data in tests.
import { decompress } from '../../src/compression/decompress.ts'
import { testNative } from '../sys/native.ts'

/** The plain bytes of `source`. */
export function plainBytes(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  return decompress(source, { native: testNative(), what: 'layer' })
}
