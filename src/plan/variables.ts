// The variables of a stage, as values that share what they have in common: a file may set many thousands.

/** Names with their values, in the order of their last assignment. Never changes. */
export class Variables implements Iterable<readonly [string, string]> {
  /** From the oldest assignments to the newest, each more than twice as large as the next: what a newer one has too is out of date in an older. */
  readonly #layers: readonly ReadonlyMap<string, string>[]

  private constructor(layers: readonly ReadonlyMap<string, string>[]) {
    this.#layers = layers
  }

  /** These assignments, the last one last. */
  static of(assignments: Iterable<readonly [string, string]> = []): Variables {
    const only = new Map(assignments)
    return new Variables(only.size === 0 ? [] : [only])
  }

  get(name: string): string | undefined {
    for (let at = this.#layers.length - 1; at >= 0; at--) {
      const value = this.#layers[at]?.get(name)
      if (value !== undefined) return value
    }
    return undefined
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  *[Symbol.iterator](): Generator<readonly [string, string]> {
    const [only] = this.#layers
    if (this.#layers.length === 1 && only !== undefined) return yield* only
    for (const [at, layer] of this.#layers.entries()) {
      const newer = this.#layers.slice(at + 1)
      for (const entry of layer) if (!newer.some((other) => other.has(entry[0]))) yield entry
    }
  }

  *keys(): Generator<string> {
    for (const [name] of this) yield name
  }

  /** These with one more assignment, which comes last. Many in a row cost the logarithm of their number each. */
  with(name: string, value: string): Variables {
    const layers = [...this.#layers]
    let newest = new Map([[name, value]])
    for (
      let older = layers.at(-1);
      older !== undefined && older.size <= 2 * newest.size;
      older = layers.at(-1)
    ) {
      const both = new Map(older)
      for (const [key, text] of newest) {
        both.delete(key)
        both.set(key, text)
      }
      newest = both
      layers.pop()
    }
    return new Variables([...layers, newest])
  }
}
