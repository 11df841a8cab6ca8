// What each member of an added archive does to the file system below the destination, in the order and with the
// meaning of moby's archive.Unpack, for which the destination is the root of everything (chroot).
import { textOf } from '../../core/byte-string.ts'
import { SlipwayError } from '../../core/error.ts'
import { baseOf, cleanPath, joinPath, parentOf } from '../../core/path.ts'
import { isWrittenXattr } from '../../layer/layer-xattrs.ts'
import type { TarEntry } from '../../layer/tar-entry.ts'
import type { FileSource, Xattrs } from '../../sys/file-operation.ts'
import { type CopyStyle, checkName, type Emit, notDirectory, planDirectories } from './plan-copy.ts'
import type { TargetEntry, TargetTree } from './target-tree.ts'

/** A member's body; one of both is asked for, once, if it is needed. */
export interface MemberBody {
  bytes(): Promise<Uint8Array>
  chunks(): AsyncIterable<Uint8Array>
}

/** Bodies up to this size are handed over whole. */
const inlineBytes = 64 * 1024

/** An archive on its way to `root`, a resolved directory of `target`. */
export class Unpacking {
  readonly #target: TargetTree
  readonly #root: string
  readonly #style: CopyStyle
  readonly #emit: Emit
  /** Where the members' last directory led. */
  #last: { readonly directory: string; readonly place: string } | undefined

  constructor(target: TargetTree, root: string, style: CopyStyle, emit: Emit) {
    this.#target = target
    this.#root = root
    this.#style = style
    this.#emit = emit
  }

  /** Emits what `entry` needs. Throws ERR_ADD_ARCHIVE_INVALID and ERR_COPY_* for what BuildKit refuses, too. */
  async member(entry: TarEntry, body: MemberBody): Promise<void> {
    const name = cleanPath(entry.path)
    if (name === '') {
      this.#rootItself(entry)
      return
    }
    const parent = await this.#parent(parentOf(name))
    const path = joinPath(parent, baseOf(name))
    checkName(path, this.#style)
    const existing = await this.#target.entry(path)
    if (existing !== undefined && existing.type !== 'file') this.#last = undefined
    if (existing?.type === 'directory' && entry.type !== 'directory') this.#emit({ op: 'remove', path })
    this.#target.put(path, await this.#make(path, entry, body))
  }

  /** The archive's own root: as a dot it says nothing, by other names it is the destination. */
  #rootItself(entry: TarEntry): void {
    if (staysInside(entry.path)) return
    if (entry.type !== 'directory') throw invalid(entry, 'it stands for the destination', this.#style)
    this.#emit({ op: 'directory', path: this.#root, ...this.#metadata(entry) })
  }

  /** The place of a directory, whose missing parts are made. Links are followed inside the root; where nothing is behind one, BuildKit fails, too. */
  async #parent(directory: string): Promise<string> {
    if (directory === '') return this.#root
    if (this.#last?.directory === directory) return this.#last.place
    const { instruction, nowNs } = this.#style
    let at = this.#root
    const names = directory.split('/')
    for (const [i, name] of names.entries()) {
      const next = joinPath(at, name)
      const found = await this.#target.entry(next)
      if (found === undefined) {
        // All at once: looked for one by one, each would be looked for from the root again.
        const way = { instruction, nowNs, parentMode: 0o755 }
        at = await planDirectories(this.#target, [next, ...names.slice(i + 1)].join('/'), way, this.#emit)
        break
      }
      at = found.type === 'symlink' ? await this.#followed(next) : next
      const there = at === next ? found : await this.#target.entry(at)
      if (there?.type !== 'directory') throw notDirectory(next, this.#style)
    }
    this.#last = { directory, place: at }
    return at
  }

  #followed(path: string): Promise<string> {
    const inside = this.#root === '' ? path : path.slice(this.#root.length + 1)
    return this.#target.resolve(inside, this.#root)
  }

  async #make(path: string, entry: TarEntry, body: MemberBody): Promise<TargetEntry> {
    const { mode, ...owned } = this.#metadata(entry)
    const { uid, gid } = owned
    const made: TargetEntry = { type: 'other', mode, uid, gid }
    switch (entry.type) {
      case 'directory':
        this.#emit({ op: 'directory', path, mode, ...owned })
        return { ...made, type: 'directory' }
      case 'file':
        this.#emit({ op: 'file', path, mode, ...owned, source: await sourceOf(entry, body) })
        return plainFile
      case 'symlink': {
        const linkTarget = entry.linkTarget ?? ''
        this.#emit({ op: 'symlink', path, target: linkTarget, ...owned })
        return { ...made, type: 'symlink', linkTarget }
      }
      case 'hardlink': {
        const to = await this.#linkTarget(path, entry)
        this.#emit({ op: 'hardlink', path, target: to.path, metadata: { mode, ...owned } })
        return to.entry
      }
      case 'char':
      case 'block':
      case 'fifo': {
        const { devMajor: major, devMinor: minor } = entry
        this.#emit({ op: 'node', path, type: entry.type, major, minor, mode, ...owned })
        return made
      }
    }
  }

  #metadata(entry: TarEntry): Metadata {
    const { uid, gid } = this.#style.owner ?? entry
    const xattrs = [...entry.xattrs].filter(([key]) => isWrittenXattr(key))
    const mtimeNs = isTime(entry.mtimeNs) ? entry.mtimeNs : 0n
    return { mode: entry.mode, uid, gid, mtimeNs, ...(xattrs.length > 0 ? { xattrs } : {}) }
  }

  async #linkTarget(path: string, entry: TarEntry): Promise<{ path: string; entry: TargetEntry }> {
    const name = cleanPath(entry.linkTarget ?? '')
    const to = joinPath(await this.#target.resolve(parentOf(name), this.#root), baseOf(name))
    const found = name === '' ? undefined : await this.#target.entry(to)
    // What stands at a link's own name has gone when it is made.
    if (found !== undefined && found.type !== 'directory' && to !== path) return { path: to, entry: found }
    const what = to === path ? 'itself' : found === undefined ? 'nothing' : 'a directory'
    throw invalid(entry, `it is a hard link to ${what}: ${JSON.stringify(textOf(name))}`, this.#style)
  }
}

/** Nobody asks a planned file for more: one is enough for all. */
const plainFile: TargetEntry = { type: 'file', mode: 0, uid: 0, gid: 0 }

async function sourceOf({ size }: TarEntry, body: MemberBody): Promise<FileSource> {
  return size <= inlineBytes ? { bytes: await body.bytes() } : { stream: body.chunks(), size }
}

interface Metadata {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly xattrs?: Xattrs
}

/** Whether a relative path never leads above where it begins: Go's Clean makes a dot of it if it leads nowhere else. */
function staysInside(path: string): boolean {
  if (path.startsWith('/')) return false
  let depth = 0
  for (const part of path.split('/')) {
    if (part === '..') depth--
    else if (part !== '' && part !== '.') depth++
    if (depth < 0) return false
  }
  return true
}

/** Times that moby does not take for unset: from 1970 to where 64 bits of nanoseconds end. */
function isTime(nanoseconds: bigint): boolean {
  return nanoseconds >= 0n && nanoseconds < 2n ** 63n
}

function invalid(entry: TarEntry, reason: string, { instruction }: CopyStyle): SlipwayError {
  return new SlipwayError({
    code: 'ERR_ADD_ARCHIVE_INVALID',
    message: `${instruction} failed: extract ${JSON.stringify(textOf(entry.path))}: ${reason}`,
  })
}
