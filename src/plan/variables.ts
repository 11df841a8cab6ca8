// The variables of a stage, as values that share what they have in common: a file may set many thousands.

/** Names with their values, in the order of their last assignment. Never changes. */
export class Variables implements Iterable<readonly [string, string]> {
  /** What `#recent` has too is out of date here. */
  readonly #settled: ReadonlyMap<string, string>
  /** Few, so that one more assignment copies few. */
  readonly #recent: ReadonlyMap<string, string>

  constructor(
    settled: ReadonlyMap<string, string> = new Map(),
    recent: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#settled = settled
    this.#recent = recent
  }

  get(name: string): string | undefined {
    return this.#recent.get(name) ?? this.#settled.get(name)
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  *[Symbol.iterator](): Generator<readonly [string, string]> {
    for (const entry of this.#settled) if (!this.#recent.has(entry[0])) yield entry
    yield* this.#recent
  }

  *keys(): Generator<string> {
    for (const [name] of this) yield name
  }

  /** These with one more assignment, which comes last. */
  with(name: string, value: string): Variables {
    const recent = new Map(this.#recent)
    recent.delete(name)
    recent.set(name, value)
    const next = new Variables(this.#settled, recent)
    return recent.size ** 2 <= this.#settled.size + 1000 ? next : new Variables(new Map(next))
  }
}
