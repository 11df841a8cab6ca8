// A root file system read without mounting it: layer directories looked at as overlayfs would merge
// them, links resolved inside the root. The layers are immutable and only this user can reach them, so
// nothing can be swapped between a look and a read.

import type { BigIntStats } from 'node:fs'
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs'
import { bytesOf, fsPath, quoted } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { baseOf, joinPath, parentOf } from '../core/path.ts'
import { isOpaqueMark } from '../layer/layer-xattrs.ts'
import { isWhiteout, type Recorded, recordOf } from '../layer/recorded.ts'
import type { Xattrs } from '../sys/file-operation.ts'
import type { Native } from '../sys/native.ts'
import { type EntryType, readXattrs, splitDevice, typeOfMode } from '../sys/scan.ts'

/** An object of the merged file system; strings are byte strings. */
export interface MergedEntry {
  /** Clean and relative to the root, with every link on the way resolved; empty for the root. */
  readonly path: string
  readonly type: EntryType
  /** Permission, set-id and sticky bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes; 0 for everything but files. */
  readonly size: number
  readonly mtimeNs: bigint
  /** The text of a symbolic link. */
  readonly linkTarget?: string
  readonly device?: { readonly major: number; readonly minor: number }
  /** Equal for the names of one file that has several. */
  readonly linkGroup?: string
  /** Where the object is on this machine, absolute; for the directory of several layers that of the top one. */
  readonly hostPath: string
}

export interface LookupOptions {
  /** Whether a link at the end of the path is followed; those on the way always are. */
  readonly follow: boolean
}

export interface MergedTree {
  /** What is at `path`, which need not be clean. Throws ERR_TREE_LINK_LOOP. */
  lookup(path: string, options: LookupOptions): MergedEntry | undefined
  /** The entries directly in a directory, by name in byte order; empty for everything else. */
  list(directory: MergedEntry): readonly MergedEntry[]
  /** Everything below a directory: each directory before what it holds, names in byte order. */
  walk(directory: MergedEntry): Generator<MergedEntry, void, undefined>
  /** The content of the file `path` leads to, or undefined if it leads to no file. Throws ERR_TREE_FILE_TOO_LARGE. */
  readFile(path: string, limitBytes: number): Buffer | undefined
  /** Extended attributes, those private to overlayfs left out. */
  xattrs(entry: MergedEntry): ReadonlyMap<string, Uint8Array>
}

export interface MergedTreeOptions {
  readonly native: Native
  /** false: the directory is an ordinary one, in which devices 0:0 and overlay attributes mean nothing. */
  readonly overlay?: boolean
  /** What is known not to be in layers, of all but the top one, which may change; trees may share it while the layers stay. */
  readonly absences?: Absences
}

/** Paths of this machine, as byte strings. */
export type Absences = Set<string>

/** The file system made of these layer directories (ordinary strings), bottom first. */
export function mergedTree(layerDirectories: readonly string[], options: MergedTreeOptions): MergedTree {
  return new LayerStack(layerDirectories, options)
}

/** An entry with what is needed to go on below it. */
interface Node extends MergedEntry {
  /** The directories that show through here, top first; empty for everything but directories. */
  readonly hosts: readonly string[]
}

/** As many links as Linux would follow in one path, times a few: path_resolution(7) says 40. */
const maxLinks = 255

class LayerStack implements MergedTree {
  readonly #native: Native
  readonly #overlay: boolean
  readonly #root: Node
  readonly #absences: Absences | undefined
  /** The start of every path in the top layer. */
  readonly #changing: string
  /** Directories already found; they do not change. */
  readonly #directories = new Map<string, Node>()

  constructor(layers: readonly string[], options: MergedTreeOptions) {
    this.#native = options.native
    this.#overlay = options.overlay ?? true
    const hosts = layers.map(bytesOf).reverse()
    const top = hosts[0]
    this.#absences = options.absences
    this.#changing = `${top}/`
    const stat = top === undefined ? undefined : lstatSync(fsPath(top), { bigint: true })
    this.#root = stat === undefined || top === undefined ? emptyRoot : { ...describe('', top, stat), hosts }
  }

  lookup(path: string, { follow }: LookupOptions): MergedEntry | undefined {
    let at: Node | undefined = this.#root
    const rest = path.split('/').reverse()
    let links = 0
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === '' || name === '.') {
        // `file/` and `file/.` are no paths.
        if (at.type !== 'directory') return undefined
        continue
      }
      if (at.type !== 'directory') return undefined
      if (name === '..') {
        at = this.#directory(parentOf(at.path))
        continue
      }
      const next = this.#child(at, name)
      if (next === undefined) return undefined
      if (next.linkTarget === undefined || (rest.length === 0 && !follow)) {
        at = next
        continue
      }
      if (++links > maxLinks) {
        throw new SlipwayError({
          code: 'ERR_TREE_LINK_LOOP',
          message: `resolve ${quoted(`/${path}`)}: too many levels of symbolic links`,
        })
      }
      if (next.linkTarget.startsWith('/')) at = this.#root
      rest.push(...next.linkTarget.split('/').reverse())
    }
    return at
  }

  list(directory: MergedEntry): readonly MergedEntry[] {
    return directory.type === 'directory' ? this.#children(this.#directory(directory.path)) : []
  }

  *walk(directory: MergedEntry): Generator<MergedEntry, void, undefined> {
    if (directory.type !== 'directory') return
    const waiting: Node[] = [...this.#children(this.#directory(directory.path))].reverse()
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      yield node
      if (node.type !== 'directory') continue
      const children = this.#children(node)
      for (let i = children.length - 1; i >= 0; i--) waiting.push(children[i] as Node)
    }
  }

  readFile(path: string, limitBytes: number): Buffer | undefined {
    const entry = this.lookup(path, { follow: true })
    if (entry?.type !== 'file') return undefined
    const fd = openSync(
      fsPath(entry.hostPath),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    )
    try {
      const { size } = fstatSync(fd)
      if (size > limitBytes) {
        throw new SlipwayError({
          code: 'ERR_TREE_FILE_TOO_LARGE',
          message: `read ${quoted(`/${path}`)}: it has ${size} bytes, at most ${limitBytes} are accepted`,
        })
      }
      const content = Buffer.allocUnsafe(size)
      let length = 0
      for (let n = -1; n !== 0 && length < size; length += n)
        n = readSync(fd, content, length, size - length, null)
      return content.subarray(0, length)
    } finally {
      closeSync(fd)
    }
  }

  xattrs(entry: MergedEntry): ReadonlyMap<string, Uint8Array> {
    if (entry.hostPath === '') return new Map()
    const all = readXattrs(fsPath(entry.hostPath), this.#native)
    return new Map(all.filter(([name]) => !this.#overlay || !overlayXattr.test(name)))
  }

  /** The directory at a resolved path that was found before, or is found now. */
  #directory(path: string): Node {
    if (path === '') return this.#root
    const known = this.#directories.get(path)
    if (known !== undefined) return known
    const found = this.#child(this.#directory(parentOf(path)), baseOf(path))
    if (found?.type === 'directory') return found
    throw new SlipwayError({
      code: 'ERR_TREE_MISSING',
      message: `list ${quoted(`/${path}`)}: not a directory`,
    })
  }

  #child(parent: Node, name: string): Node | undefined {
    return this.#directories.get(joinPath(parent.path, name)) ?? this.#merge(parent.path, name, parent.hosts)
  }

  /** What the directories `hosts` (top first) together have under `name`. */
  #merge(parent: string, name: string, hosts: readonly string[]): Node | undefined {
    let top: { readonly host: string; readonly stat: BigIntStats } | undefined
    const merged: string[] = []
    for (const directory of hosts) {
      const host = `${directory}/${name}`
      if (this.#absences?.has(host)) continue
      const stat = lstatSync(fsPath(host), { bigint: true, throwIfNoEntry: false })
      if (stat === undefined) {
        if (!host.startsWith(this.#changing)) this.#absences?.add(host)
        continue
      }
      if (this.#overlay && this.#isWhiteout(host, stat)) break
      if (top === undefined) top = { host, stat }
      if (!stat.isDirectory()) break
      // Asked only when there is something below to hide: most directories exist in one layer.
      const above = merged.at(-1)
      if (above !== undefined && this.#isOpaque(above)) break
      merged.push(host)
    }
    if (top === undefined) return undefined
    const plain = describe(joinPath(parent, name), top.host, top.stat)
    const node: Node = { ...this.#withRecord(plain), hosts: merged }
    if (node.type === 'directory') this.#directories.set(node.path, node)
    return node
  }

  #children(directory: Node): readonly Node[] {
    const { hosts, path } = directory
    if (hosts.length === 1 && hosts[0] !== undefined) {
      return namesIn(hosts[0])
        .sort()
        .flatMap((name) => this.#known(path, name) ?? this.#merge(path, name, hosts) ?? [])
    }
    const holders = new Map<string, string[]>()
    for (const host of hosts) {
      for (const name of namesIn(host)) {
        const others = holders.get(name)
        if (others === undefined) holders.set(name, [host])
        else others.push(host)
      }
    }
    return [...holders.keys()]
      .sort()
      .flatMap((name) => this.#known(path, name) ?? this.#merge(path, name, holders.get(name) ?? []) ?? [])
  }

  #known(parent: string, name: string): Node | undefined {
    return this.#directories.get(joinPath(parent, name))
  }

  #isWhiteout(host: string, stat: BigIntStats): boolean {
    if (!stat.isFile()) return stat.isCharacterDevice() && stat.rdev === 0n
    return stat.size === 0n && isWhiteout(this.#recordOf(describe('', host, stat)) ?? {})
  }

  /** The entry as it should be, where this user's files may record more than they can be. */
  #withRecord(entry: MergedEntry): MergedEntry {
    if (!this.#overlay) return entry
    const recorded = this.#recordOf(entry)
    if (recorded === undefined) return entry
    const { uid, gid, device } = recorded
    if (device === undefined) return { ...entry, uid, gid }
    const { type, mode, major, minor } = device
    return { ...entry, uid, gid, type, mode, device: { major, minor } }
  }

  #recordOf(entry: MergedEntry): Recorded | undefined {
    const xattrs = (): Xattrs => readXattrs(fsPath(entry.hostPath), this.#native)
    return recordOf(entry, this.#native.userNamespace(), xattrs)
  }

  #isOpaque(host: string): boolean {
    if (!this.#overlay) return false
    return isOpaqueMark(readXattrs(fsPath(host), this.#native), this.#native.userNamespace())
  }
}

const overlayXattr = /^(?:trusted|user)\.overlay\./

const emptyRoot: Node = {
  path: '',
  type: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeNs: 0n,
  hostPath: '',
  hosts: [],
}

function namesIn(host: string): string[] {
  return readdirSync(fsPath(host), 'latin1')
}

function describe(path: string, hostPath: string, stat: BigIntStats): MergedEntry {
  const type = typeOfMode(Number(stat.mode))
  const isDevice = type === 'char' || type === 'block'
  return {
    path,
    type,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === 'file' ? Number(stat.size) : 0,
    mtimeNs: stat.mtimeNs,
    ...(type === 'symlink' ? { linkTarget: readlinkSync(fsPath(hostPath), 'latin1') } : {}),
    ...(isDevice ? { device: splitDevice(stat.rdev) } : {}),
    ...(type !== 'directory' && stat.nlink > 1n ? { linkGroup: `${stat.dev}:${stat.ino}` } : {}),
    hostPath,
  }
}
