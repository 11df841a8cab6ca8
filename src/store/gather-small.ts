// Archives that are small as a whole: those may be in the store already, which is seen before anything is written.

export type Gathered =
  | { readonly whole: Uint8Array }
  /** Was more; nothing of it is lost. */
  | { readonly pieces: AsyncIterable<Uint8Array> }

/** All of `pieces` when that is no more than `mostBytes`. Each is done with when the next one is asked for. */
export async function gatherSmall(pieces: AsyncIterable<Uint8Array>, mostBytes: number): Promise<Gathered> {
  const iterator = pieces[Symbol.asyncIterator]()
  const copies: Uint8Array[] = []
  let length = 0
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    length += next.value.byteLength
    if (length > mostBytes) return { pieces: continued(copies, next.value, iterator) }
    copies.push(Uint8Array.from(next.value))
  }
  return { whole: Buffer.concat(copies) }
}

async function* continued(
  copies: readonly Uint8Array[],
  current: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isEnded = false
  try {
    yield* copies
    yield current
    for (;;) {
      const next = await iterator.next()
      if (next.done === true) {
        isEnded = true
        return
      }
      yield next.value
    }
  } finally {
    // Whoever stops early stops what makes the pieces, too.
    if (!isEnded) await iterator.return?.()
  }
}
