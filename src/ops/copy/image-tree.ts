// The file system of another stage or image as a source of COPY. Merging its layers is snapshot's business.

import { isWrittenXattr } from '../../layer/layer-xattrs.ts'
import type { MergedEntry, MergedTree } from '../../snapshot/merged-tree.ts'
import type { SourceEntry, SourceTree } from './source-tree.ts'

/** A source over the layers of an image or stage, whose files never change. */
export function imageTree(merged: MergedTree): SourceTree {
  const withXattrs = (entry: MergedEntry): SourceEntry => {
    if (entry.type === 'symlink' || entry.type === 'socket') return entry
    const xattrs = new Map<string, Buffer>()
    for (const [name, value] of merged.xattrs(entry)) {
      if (isWrittenXattr(name)) xattrs.set(name, Buffer.from(value))
    }
    return xattrs.size === 0 ? entry : { ...entry, xattrs }
  }
  const directory = (entry: SourceEntry): MergedEntry | undefined =>
    merged.lookup(entry.path, { follow: false })
  return {
    description: 'image',
    isLocal: false,
    async find(path, follow) {
      const entry = merged.lookup(path, { follow })
      return entry === undefined ? undefined : withXattrs(entry)
    },
    async list(parent) {
      const found = directory(parent)
      return found === undefined ? [] : merged.list(found)
    },
    async walk(top) {
      const found = directory(top)
      return found === undefined ? [] : Array.from(merged.walk(found), withXattrs)
    },
    whyMissing: async () => undefined,
    verify: async () => undefined,
  }
}
