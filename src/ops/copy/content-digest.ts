// The digest of what a COPY or ADD reads: which files, under which names, with which content and metadata.
// Times are no part of it, so that a touched file or a fresh checkout is still a hit.
import { createHash } from 'node:crypto'
import { type Digest, digestOfHex } from '../../core/digest.ts'
import type { Selected } from './select.ts'
import type { SourceEntry } from './source-tree.ts'

/** The entries whose content counts, in the order `contentDigest` wants their digests. */
export function entriesOf(selected: readonly Selected[]): SourceEntry[] {
  return selected.flatMap(({ entry, below }) => [entry, ...below.map((inside) => inside.entry)])
}

/**
 * Covers, for every selected entry: name, type, mode, uid and gid (0:0 for local files), size, sha256, link target,
 * device and copied xattrs. Of a directory whose contents are copied it covers the name only: its metadata is
 * not copied. `sha256` belongs to `entriesOf(selected)`.
 */
export function contentDigest(
  selected: readonly Selected[],
  sha256: readonly (string | undefined)[],
): Digest {
  const hash = createHash('sha256')
  let text = 'slipway content 1\n'
  let at = 0
  const add = (line: string): void => {
    text += line
    if (text.length < 65536) return
    hash.update(text)
    text = ''
  }
  for (const { entry, name, below } of selected) {
    const isDirectory = entry.type === 'directory'
    add(`${JSON.stringify([name, isDirectory ? 'contents' : facts(entry, sha256[at])])}\n`)
    at++
    for (const inside of below) {
      add(`${JSON.stringify([inside.path, facts(inside.entry, sha256[at]), inside.implied])}\n`)
      at++
    }
  }
  return digestOfHex(hash.update(text).digest('hex'))
}

function facts(entry: SourceEntry, sha256: string | undefined): readonly unknown[] {
  const xattrs = [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    entry.type,
    entry.mode,
    entry.uid,
    entry.gid,
    entry.size,
    sha256 ?? null,
    entry.linkTarget ?? null,
    entry.device ? [entry.device.major, entry.device.minor] : null,
    xattrs.map(([key, value]) => [key, value.toString('base64')]),
  ]
}
