// zstd by a decoder in JavaScript: several times slower than the program, and there on every machine.
import { corrupt } from './corrupt.ts'

/** The plain bytes of zstd frames. Ends in ERR_DECOMPRESS_CORRUPT when they are damaged or cut off. */
export async function* unzstdInScript(
  source: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { Decompress } = await import('fzstd')
  let ready: Uint8Array[] = []
  const decoder = new Decompress((chunk) => ready.push(chunk))
  const decode = (chunk: Uint8Array, last: boolean): void => {
    try {
      decoder.push(chunk, last)
    } catch (cause) {
      throw corrupt(what, 'zstd', cause instanceof Error ? cause.message : String(cause))
    }
  }
  for await (const chunk of source) {
    decode(chunk, false)
    yield* ready
    ready = []
  }
  decode(new Uint8Array(0), true)
  yield* ready
}
