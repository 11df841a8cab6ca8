// What unpacking needs to know of file systems that already exist: the layers below, and the layer
// itself once its archive was written out. src/snapshot/merged-tree.ts is the implementation.

export interface LayerTreeEntry {
  /** Clean, links on the way resolved. */
  readonly path: string
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtimeNs: bigint
  /** The text of a symbolic link. */
  readonly linkTarget?: string
  readonly hostPath: string
}

export interface LayerTree {
  lookup(path: string, options: { readonly follow: boolean }): LayerTreeEntry | undefined
  list(directory: LayerTreeEntry): readonly LayerTreeEntry[]
  xattrs(entry: LayerTreeEntry): ReadonlyMap<string, Uint8Array>
}
