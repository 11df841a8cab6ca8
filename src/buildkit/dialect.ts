// How versions of BuildKit write an op before they hash it. Nothing was ever meant to change, but three things have.

export interface Dialect {
  /** Zeros of indexes are written, and ids of users as `byID`: before 0.17, whose JSON was gogo/protobuf's. */
  readonly isGogo: boolean
  /** Stubs of mounts are removed with the directories that were made for them: since 0.11. */
  readonly removesStubs: boolean
  /** Caches are known by their id, whatever that is: before 0.12. */
  readonly keepsCacheIds: boolean
}

/** The newest first: 0.17 and later, 0.12 to 0.16, 0.11, and those before (docker 20.10 has 0.8). */
export const dialects: readonly Dialect[] = [
  { isGogo: false, removesStubs: true, keepsCacheIds: false },
  { isGogo: true, removesStubs: true, keepsCacheIds: false },
  { isGogo: true, removesStubs: true, keepsCacheIds: true },
  { isGogo: true, removesStubs: false, keepsCacheIds: true },
]

/** What `make` makes of each dialect, each once. */
export function inDialects<T>(make: (dialect: Dialect) => T): readonly T[] {
  return [...new Set(dialects.map(make))]
}
