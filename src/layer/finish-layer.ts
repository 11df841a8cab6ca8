// The second, short pass over an unpacked layer: hard links into the layers below, whiteouts, opaque
// marks, and the metadata of directories the archive does not mention. Whiteouts come last because they
// hide lower layers only, wherever in the archive they stand (image-spec, layer.md "Whiteouts").

import { quoted } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { baseOf, joinPath, parentOf } from '../core/path.ts'
import { applyFileOperations, type FileCounts, type FileOperation } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import type { LayerTree, LayerTreeEntry } from './layer-tree.ts'
import { isUnpackedXattr } from './layer-xattrs.ts'

export interface FinishOptions {
  /** The layer's directory: empty before the first pass, and nobody else's. */
  readonly directory: string
  readonly trees: {
    /** `directory` as it is when asked. */
    own(): LayerTree
    /** The layers below; undefined when there are none. Asked once the archive is written, and only if needed. */
    lower(): Promise<LayerTree | undefined>
  }
  readonly native: Native
  readonly signal: AbortSignal
}

/** What the archive said that can only be acted upon when all of it was seen. Clean paths. */
export interface Deferred {
  readonly whiteouts: Set<string>
  readonly opaques: Set<string>
  /** Whether the archive has an entry for the root. */
  hasRoot: boolean
}

type Written = Pick<FileCounts, 'implied' | 'missingLinks'>

/** Postcondition: the directory is a complete overlay upper directory. Throws ERR_LAYER_LINK for a hard link to nothing. */
export async function finishLayer(
  written: Written,
  deferred: Deferred,
  options: FinishOptions,
): Promise<void> {
  const { directory, native, signal, trees } = options
  const { whiteouts, opaques, hasRoot } = deferred
  const { implied, missingLinks } = written
  if (hasRoot && whiteouts.size + opaques.size + implied.length + missingLinks.length === 0) return
  const lower = await trees.lower()
  const pass = new FinishingPass(trees.own(), lower)
  if (!hasRoot) pass.inheritRoot()
  for (const path of implied) pass.inherit(path)
  for (const link of missingLinks) pass.link(link.path, link.target)
  for (const path of whiteouts) pass.whiteout(path)
  for (const path of opaques) pass.opaque(path)
  await applyFileOperations({ kind: 'directory', path: directory }, pass.operations, { native, signal })
}

class FinishingPass {
  readonly operations: FileOperation[] = []
  readonly #own: LayerTree
  readonly #lower: LayerTree | undefined
  /** Directories whose metadata is already among the operations. */
  readonly #settled = new Set<string>()
  /** Files that will exist when the operations so far are done. */
  readonly #made = new Set<string>()

  constructor(own: LayerTree, lower: LayerTree | undefined) {
    this.#own = own
    this.#lower = lower
  }

  inheritRoot(): void {
    const below = this.#lower?.lookup('', { follow: false })
    this.#directory('', below ?? newDirectory)
  }

  /** Gives a directory that had to be made the metadata it has in the layers below. */
  inherit(path: string): void {
    this.#directory(path, this.#directoryBelow(path) ?? newDirectory)
  }

  /** Makes a hard link whose target is in a lower layer: the target is copied up, as overlayfs would do. */
  link(path: string, target: string): void {
    if (this.#made.has(target)) {
      this.#hardlink(path, target)
      return
    }
    const found =
      this.#own.lookup(target, { follow: false }) ?? this.#lower?.lookup(target, { follow: false })
    if (found === undefined || found.type === 'directory') {
      throw new SlipwayError({
        code: 'ERR_LAYER_LINK',
        message: `unpack layer: hard link ${quoted(path)} leads to ${quoted(target)}, which is no file of this or a lower layer`,
      })
    }
    if (this.#own.lookup(found.path, { follow: false }) === undefined && !this.#made.has(found.path)) {
      this.#touchParent(found.path)
      this.operations.push(this.#copyUp(found))
      this.#made.add(found.path)
    }
    this.#hardlink(path, found.path)
  }

  #hardlink(path: string, target: string): void {
    this.#touchParent(path)
    this.operations.push({ op: 'hardlink', path, target })
    this.#made.add(path)
  }

  whiteout(path: string): void {
    const parent = this.#own.lookup(parentOf(path), { follow: true })
    const own =
      parent === undefined
        ? undefined
        : this.#own.lookup(joinPath(parent.path, baseOf(path)), { follow: false })
    // Deleted and made again in one layer: a new directory, in which nothing of the old one shows.
    if (own !== undefined) {
      if (own.type === 'directory') this.#markOpaque(own.path)
      return
    }
    const above = parent ?? this.#directoryBelow(parentOf(path))
    if (above?.type !== 'directory') return
    this.#touchParent(path)
    this.operations.push({ op: 'whiteout', path })
  }

  opaque(path: string): void {
    if (path === '') {
      this.#opaqueRoot()
      return
    }
    const own = this.#own.lookup(path, { follow: true })
    if (own !== undefined) {
      if (own.type === 'directory') this.#markOpaque(own.path)
      return
    }
    const below = this.#directoryBelow(path)
    if (below === undefined) return
    this.#touchParent(path)
    this.#directory(path, below)
    this.operations.push({ op: 'opaque', path })
  }

  /** Overlayfs ignores the mark on a layer's root, so everything below is hidden name by name. */
  #opaqueRoot(): void {
    const root = this.#lower?.lookup('', { follow: false })
    if (root === undefined) return
    for (const { path } of this.#lower?.list(root) ?? []) this.whiteout(path)
  }

  #markOpaque(path: string): void {
    this.operations.push({ op: 'opaque', path })
  }

  /** Before something is put into a directory: makes it as it is below, or has its own times set again afterwards. */
  #touchParent(path: string): void {
    const parent = parentOf(path)
    if (this.#settled.has(parent)) return
    const own = this.#own.lookup(parent, { follow: true })
    if (own !== undefined) {
      this.#restore(own)
      return
    }
    this.#touchParent(parent)
    this.inherit(parent)
  }

  #restore(own: LayerTreeEntry): void {
    if (own.type === 'directory') this.#directory(own.path, own)
  }

  #directory(path: string, metadata: Pick<LayerTreeEntry, 'mode' | 'uid' | 'gid' | 'mtimeNs'>): void {
    if (this.#settled.has(path)) return
    this.#settled.add(path)
    const { mode, uid, gid, mtimeNs } = metadata
    this.operations.push({ op: 'directory', path, mode, uid, gid, mtimeNs })
  }

  #directoryBelow(path: string): LayerTreeEntry | undefined {
    const below = this.#lower?.lookup(path, { follow: false })
    return below?.type === 'directory' ? below : undefined
  }

  #copyUp(found: LayerTreeEntry): FileOperation {
    const { path, uid, gid, mtimeNs } = found
    if (found.linkTarget !== undefined)
      return { op: 'symlink', path, target: found.linkTarget, uid, gid, mtimeNs }
    if (found.type !== 'file') {
      throw new SlipwayError({
        code: 'ERR_LAYER_LINK',
        message: `unpack layer: hard link to ${quoted(path)}, which is a ${found.type} of a lower layer`,
      })
    }
    const xattrs = [...(this.#lower?.xattrs(found) ?? [])].filter(([name]) => isUnpackedXattr(name))
    return {
      op: 'file',
      path,
      mode: found.mode,
      uid,
      gid,
      mtimeNs,
      xattrs,
      source: { path: found.hostPath, size: found.size },
    }
  }
}

/** A parent that exists nowhere else. A fixed time, so that the same layers always give the same file system. */
const newDirectory = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n }
