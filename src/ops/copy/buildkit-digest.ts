// The digest by which BuildKit knows files: of a file by its metadata and bytes, of a directory by its own and those of
// everything in it. What patterns and filters select is buildkit-matches.ts's.
import { createHash } from 'node:crypto'
import { bytesOf } from '../../core/byte-string.ts'
import { type Digest, digestOf, digestOfHex } from '../../core/digest.ts'
import { baseOf, cleanPath, parentOf } from '../../core/path.ts'
import type { Native } from '../../sys/native.ts'
import { hashFiles } from './hash-files.ts'
import type { SourceEntry, SourceTree } from './source-tree.ts'
import type { StatCache } from './stat-cache.ts'
import { tarsumHead } from './tarsum.ts'

export interface BuildkitDigestOptions {
  readonly native: Native
  readonly signal: AbortSignal
  /** Of the files of a local directory; not the one of their plain digests. */
  readonly cache?: StatCache | undefined
}

/** The digest of what is at an absolute path; undefined when there is nothing. */
export async function digestAt(
  tree: SourceTree,
  { path, followLinks }: { readonly path: string; readonly followLinks: boolean },
  options: BuildkitDigestOptions,
): Promise<Digest | undefined> {
  const entry = await tree.find(cleanPath(bytesOf(path)), followLinks)
  return entry === undefined ? undefined : digestOfEntry(tree, entry, options)
}

/** The digest of an entry with all that is in it. */
export async function digestOfEntry(
  tree: SourceTree,
  entry: SourceEntry,
  options: BuildkitDigestOptions,
): Promise<Digest> {
  const entries = [entry, ...(entry.type === 'directory' ? await tree.walk(entry) : [])]
  const own = await ownDigests(tree, entries, options)
  const children = new Map<string, string[]>()
  const digests = new Map<string, Digest>()
  // From the end: what is in a directory is known when its turn comes. Its children came in descending order.
  for (const [index, { path, type }] of [...entries.entries()].reverse()) {
    const header = own[index] ?? digestOf('')
    digests.set(
      path,
      type === 'directory' ? digestOfDirectory(header, children.get(path) ?? [], digests) : header,
    )
    if (index === 0) continue
    const siblings = children.get(parentOf(path))
    if (siblings === undefined) children.set(parentOf(path), [path])
    else siblings.push(path)
  }
  return digests.get(entry.path) ?? digestOf('')
}

function digestOfDirectory(
  header: Digest,
  children: readonly string[],
  digests: ReadonlyMap<string, Digest>,
): Digest {
  const sum = createHash('sha256').update(`\0${header}`)
  for (const path of [...children].reverse()) {
    sum.update(`\0${baseOf(path)}${digests.get(path)}`, 'latin1')
  }
  return digestOfHex(sum.digest('hex'))
}

/** What each entry is by itself: a directory without what is in it. */
export async function ownDigests(
  tree: SourceTree,
  entries: readonly SourceEntry[],
  { native, signal, cache }: BuildkitDigestOptions,
): Promise<readonly Digest[]> {
  const files = await hashFiles(entries, { native, signal, cache, headOf: tarsumHead })
  return entries.map((entry, index) => {
    const file = files[index]
    if (file !== undefined) return digestOfHex(file)
    // The root of a context is never sent, so nothing is known of it.
    if (tree.isLocal && entry.path === '') return digestOf('')
    return digestOfHex(createHash('sha256').update(tarsumHead(entry), 'latin1').digest('hex'))
  })
}
