// A part of a merged file system as if it were the whole: what an exporter that knows only whole ones writes of it.
import { bytesOf, quoted } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import type { MergedEntry, MergedTree } from './merged-tree.ts'

/** What `tree` holds at `path` (an ordinary string): a directory becomes the root, any other file its only entry. Links are followed inside the tree. Throws ERR_TREE_MISSING. */
export function subtree(tree: MergedTree, path: string): Pick<MergedTree, 'lookup' | 'walk' | 'xattrs'> {
  const top = tree.lookup(bytesOf(path), { follow: true })
  if (top === undefined) {
    throw new SlipwayError({
      code: 'ERR_TREE_MISSING',
      message: `${quoted(path)}: no such file or directory`,
    })
  }
  const isDirectory = top.type === 'directory'
  const skipped = isDirectory ? top.path : top.path.slice(0, Math.max(0, top.path.lastIndexOf('/')))
  const below = (entry: MergedEntry): MergedEntry => ({
    ...entry,
    path: skipped === '' ? entry.path : entry.path.slice(skipped.length + 1),
  })
  return {
    lookup: (asked) => (asked === '' ? { ...top, path: '', type: 'directory' } : undefined),
    *walk() {
      if (isDirectory) for (const entry of tree.walk(top)) yield below(entry)
      else yield below(top)
    },
    // What tells an entry's attributes is where it is on this machine.
    xattrs: (entry) => tree.xattrs(entry),
  }
}
