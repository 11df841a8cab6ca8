// Files that changed right before the build looked at them: a program may still be writing to them, and their times would
// not tell (one call that writes much sets them once, as does memory that is mapped; clocks tick every few milliseconds).
// So their bytes are compared before and after they are copied.
import type { Native } from '../../sys/native.ts'
import { changed, hashFiles } from './hash-files.ts'
import type { SourceEntry } from './source-tree.ts'

/** So long before it was opened a context's files count as fresh: not the git checkout before a build, which would be read twice. */
const freshNs = 100_000_000n

export interface FreshFiles {
  /** Remembers the digests (hex) of those among the entries that are fresh; `sha256` belongs to `entries`. */
  note(entries: readonly SourceEntry[], sha256: readonly (string | undefined)[]): void
  /** Throws ERR_CONTEXT_CHANGED if a fresh file of these has not the digest any more that was noted. */
  verify(entries: readonly SourceEntry[], signal: AbortSignal): Promise<void>
}

/** For a local directory that is looked at from `nowNs` on, by the storage's clock; when that is unknown nothing is fresh. */
export function freshFiles(native: Native, nowNs: bigint | undefined): FreshFiles {
  const isFresh = (ctimeNs: bigint): boolean => nowNs !== undefined && ctimeNs > nowNs - freshNs
  const noted = new Map<string, string>()
  return {
    note(entries, sha256) {
      for (const [index, { hostPath, state }] of entries.entries()) {
        const digest = sha256[index]
        if (digest !== undefined && state !== undefined && isFresh(state.ctimeNs)) noted.set(hostPath, digest)
      }
    },
    async verify(entries, signal) {
      const fresh = entries.filter(({ hostPath }) => noted.has(hostPath))
      const sha256 = await hashFiles(fresh, { native, signal })
      for (const [index, entry] of fresh.entries()) {
        if (sha256[index] !== noted.get(entry.hostPath)) throw changed(entry)
      }
    },
  }
}
