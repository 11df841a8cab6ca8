// The first bytes of a stream, without taking them away from it.

export interface Peeked {
  /** The first `count` bytes or more, unless the source is shorter. */
  readonly start: Buffer
  /** All of the source. Must be read, or ended by its `return`, for the source to be released. */
  readonly whole: AsyncGenerator<Uint8Array, void, undefined>
}

/** Waits for the first `count` bytes of `source`. */
export async function peek(source: AsyncIterable<Uint8Array>, count: number): Promise<Peeked> {
  const iterator = source[Symbol.asyncIterator]()
  const taken: Uint8Array[] = []
  let length = 0
  let ended = false
  while (length < count && !ended) {
    const next = await iterator.next()
    if (next.done === true) ended = true
    else {
      taken.push(next.value)
      length += next.value.length
    }
  }
  return { start: Buffer.concat(taken), whole: resume(taken, ended ? undefined : iterator) }
}

async function* resume(
  taken: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let rest = iterator
  try {
    yield* taken
    while (rest !== undefined) {
      const next = await rest.next()
      if (next.done === true) rest = undefined
      else yield next.value
    }
  } finally {
    await rest?.return?.()
  }
}
