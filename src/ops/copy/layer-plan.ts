// What a layer holds once the operations of a COPY were applied to its base, without applying them: so that its archive
// can be written straight from the sources. Operations it cannot foresee make it give up; then they are applied.

import { parentOf } from '../../core/path.ts'
import { isWrittenXattr } from '../../layer/layer-xattrs.ts'
import type { TarInput } from '../../layer/tar-write.ts'
import type { MergedEntry, MergedTree } from '../../snapshot/merged-tree.ts'
import type { FileOperation } from '../../sys/file-operation.ts'

/** One object of the layer; hard links share it. */
interface Node {
  readonly made: Made
  /** Nothing of the base is at its path, nor below it. */
  readonly isNew: boolean
}

type Made = Extract<FileOperation, { readonly op: 'directory' | 'file' | 'symlink' | 'node' }>
type MadeDirectory = Extract<Made, { readonly op: 'directory' }>

/** A layer on top of `base` (undefined: of nothing); directories of the base that it reaches into get the time `nowNs`. */
export class LayerPlan {
  readonly #nodes = new Map<string, Node>()
  readonly #base: MergedTree | undefined
  readonly #nowNs: bigint

  constructor(base: MergedTree | undefined, nowNs: bigint) {
    this.#base = base
    this.#nowNs = nowNs
    this.#nodes.set('', { made: { ...newDirectory, path: '' }, isNew: base === undefined })
  }

  /** Takes one more operation into account; false if its effect on the layer is not certain. */
  add(operation: FileOperation): boolean {
    switch (operation.op) {
      case 'directory':
      case 'file':
      case 'symlink':
      case 'node':
        return this.#make(operation)
      case 'hardlink': {
        const target = this.#nodes.get(operation.target)
        if (target === undefined || target.made.op === 'directory') return false
        return this.#reach(operation.path) !== undefined && this.#put(operation.path, target)
      }
      default:
        return false
    }
  }

  /** The layer's entries, in the order of a walk: each directory before what is in it, names in byte order. */
  *inputs(): Generator<TarInput, void, undefined> {
    const firstNames = new Map<Node, string>()
    for (const [path, node] of [...this.#nodes].sort(byWalk)) {
      if (path === '') continue
      const input = tarInput(path, node.made, this.#nowNs)
      const first = firstNames.get(node)
      if (first === undefined) {
        if (node.made.op !== 'directory') firstNames.set(node, path)
        yield input
      } else {
        const link = { type: 'hardlink', size: 0, linkTarget: first, xattrs: noXattrs } as const
        yield { entry: { ...input.entry, ...link } }
      }
    }
  }

  /** The file of this machine that the content of the entry at `path` comes from, as a byte string. */
  sourceOf(path: string): string | undefined {
    const made = this.#nodes.get(path)?.made
    return made?.op === 'file' && 'path' in made.source ? made.source.path : undefined
  }

  #make(operation: Made): boolean {
    const { path } = operation
    const before = path === '' ? this.#nodes.get('') : this.#reach(path)
    if (before === undefined) return false
    if (operation.op === 'directory') {
      const { made, isNew } = before
      if (made.op !== 'directory') return false
      if (operation.keepExisting === true && made !== nothing) return true
      const xattrs = [...(made.xattrs ?? []), ...(operation.xattrs ?? [])]
      this.#nodes.set(path, { made: { ...operation, xattrs }, isNew })
      return true
    }
    // A stream can be read once, and not in the order of a walk.
    if (operation.op === 'file' && ('stream' in operation.source || sizeOf(operation) === undefined))
      return false
    return this.#put(path, { made: operation, isNew: true })
  }

  #put(path: string, node: Node): boolean {
    // What would vanish with a directory is not worth knowing: COPY refuses to replace one.
    if (path === '' || this.#standing(path)?.made.op === 'directory') return false
    this.#nodes.set(path, node)
    return true
  }

  /** What is at `path` now (something new if nothing is), once the directories on the way to it are in the layer. */
  #reach(path: string): Node | undefined {
    const missing: string[] = []
    let at = parentOf(path)
    while (!this.#nodes.has(at)) {
      missing.push(at)
      at = parentOf(at)
    }
    if (this.#nodes.get(at)?.made.op !== 'directory') return undefined
    for (const directory of missing.reverse()) {
      const below = this.#standing(directory)
      if (below?.made.op !== 'directory') return undefined
      this.#nodes.set(directory, below)
    }
    return this.#standing(path) ?? { made: nothing, isNew: true }
  }

  /** Of the layer or, where it has nothing, of the base. */
  #standing(path: string): Node | undefined {
    const own = this.#nodes.get(path)
    if (own !== undefined) return own
    if (this.#nodes.get(parentOf(path))?.isNew === true) return undefined
    const below = this.#base?.lookup(path, { follow: false })
    return below && this.#copiedUp(below, path)
  }

  /** As overlayfs copies a directory into the layer; of anything else only the type counts. */
  #copiedUp(below: MergedEntry, path: string): Node {
    // Operations name places without links, so a path that led elsewhere is none to go on with.
    if (below.type !== 'directory' || below.path !== path) return somethingElse
    const xattrs = [...(this.#base?.xattrs(below) ?? [])].filter(([name]) => isWrittenXattr(name))
    const { mode, uid, gid } = below
    return { made: { op: 'directory', path, mode, uid, gid, mtimeNs: this.#nowNs, xattrs }, isNew: false }
  }
}

const noXattrs: ReadonlyMap<string, Uint8Array> = new Map()
const newDirectory = { op: 'directory', mode: 0o755, uid: 0, gid: 0 } as const
/** Stands where nothing is yet. */
const nothing: MadeDirectory = { ...newDirectory, path: '' }
const somethingElse: Node = {
  made: { op: 'symlink', path: '', target: '', uid: 0, gid: 0 },
  isNew: false,
}

function sizeOf({ source }: Extract<Made, { readonly op: 'file' }>): number | undefined {
  return 'bytes' in source ? source.bytes.length : source.size
}

function tarInput(path: string, made: Made, nowNs: bigint): TarInput {
  const { uid, gid, xattrs } = made
  const entry = {
    path,
    uid,
    gid,
    size: 0,
    mtimeNs: made.mtimeNs ?? nowNs,
    devMajor: 0,
    devMinor: 0,
    xattrs: xattrs === undefined ? noXattrs : new Map(xattrs),
  }
  switch (made.op) {
    case 'directory':
      return { entry: { ...entry, type: 'directory', mode: made.mode } }
    case 'symlink':
      return { entry: { ...entry, type: 'symlink', mode: 0o777, linkTarget: made.target } }
    case 'node': {
      const device = made.type === 'fifo' ? {} : { devMajor: made.major, devMinor: made.minor }
      return { entry: { ...entry, type: made.type, mode: made.mode, ...device } }
    }
    case 'file': {
      const { source, mode } = made
      const body = 'bytes' in source ? Buffer.from(source.bytes) : 'path' in source ? source : undefined
      return { entry: { ...entry, type: 'file', mode, size: sizeOf(made) ?? 0 }, ...(body ? { body } : {}) }
    }
  }
}

function byWalk([a]: readonly [string, Node], [b]: readonly [string, Node]): number {
  const end = Math.min(a.length, b.length)
  let at = 0
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++
  if (at === end) return a.length - b.length
  // A directory's contents come before its longer-named neighbours.
  if (a[at] === '/') return -1
  return b[at] === '/' ? 1 : a.charCodeAt(at) - b.charCodeAt(at)
}
