// Building a lexer and a parser costs milliseconds, so it happens at first use, never at module load.

/** A function that calls `make` at its first call and returns that same value ever after. */
export function lazily<T extends object>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Like `lazily`, with one value for each key. */
export function lazilyFor<K, T extends object>(make: (key: K) => T): (key: K) => T {
  const made = new Map<K, T>()
  return (key) => {
    let value = made.get(key)
    if (value === undefined) {
      value = make(key)
      made.set(key, value)
    }
    return value
  }
}
