// Remembers what a COPY of whole directories digested to, so that a tree in which nothing changed costs its listing
// alone: (context, patterns, sources) → (signature of the listing → content digest). One small file for each.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOfJson } from '../../core/canonical-json.ts'
import { type Digest, digestOf, hexOf, isDigest } from '../../core/digest.ts'
import { errnoOf } from '../../core/error.ts'
import type { MemoryOptions } from './remembered.ts'
import { isSettled, storageTime } from './storage-time.ts'

/** What a selection's directories look like without reading a file. */
export interface Looks {
  /** Equal only if every entry has its name, type, mode, size, inode and times unchanged. */
  readonly signature: string
  /** The latest change of any entry. */
  readonly newestNs: bigint
}

export interface TreeCache {
  /** The content digest of `selection` if it still looks the same. */
  find(selection: string, looks: Looks): Digest | undefined
  /** To be taken before the first file of a selection is read; undefined when nothing can be remembered. */
  now(): bigint | undefined
  /** Notes what was read after the moment `startNs`, unless something changed too shortly before. */
  put(selection: string, looks: Looks, digest: Digest, startNs: bigint): void
}

/** The cache kept in `directory` for the tree that `context` says all about (its path, its ignore patterns). */
export function openTreeCache(
  directory: string,
  context: readonly unknown[],
  { write, remembered }: MemoryOptions,
): TreeCache {
  const fileOf = (selection: string): string =>
    join(directory, `${hexOf(digestOfJson(['slipway tree 1', context, selection]))}.tree`)
  return {
    find(selection, looks) {
      const file = fileOf(selection)
      const [signature, digest] = read(file) ?? []
      if (signature !== looks.signature || !isDigest(digest)) return undefined
      remembered?.used(file)
      return digest
    },
    now: () => storageTime(directory),
    put(selection, looks, digest, startNs) {
      if (!isSettled(looks.newestNs, startNs)) return
      try {
        write(fileOf(selection), withSum(`${looks.signature} ${digest}`))
        remembered?.written()
      } catch (thrown) {
        // It costs time at the next build and nothing else.
        if (errnoOf(thrown) === undefined) throw thrown
      }
    },
  }
}

/** The file's words if it is whole: a torn write must never turn into a wrong digest. */
function read(file: string): readonly string[] | undefined {
  try {
    const text = readFileSync(file, 'latin1')
    const words = text.slice(0, text.lastIndexOf(' '))
    return withSum(words) === text ? words.split(' ') : undefined
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown
    return undefined
  }
}

function withSum(words: string): string {
  return `${words} ${digestOf(words)}`
}
