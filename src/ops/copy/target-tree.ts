// The file system a FileOp writes to, as it will be after the operations planned so far: the base's layers
// plus the plan. It decides where destinations lead; nothing is written here.

import { textOf } from '../../core/byte-string.ts'
import { invariant, SlipwayError } from '../../core/error.ts'
import { baseOf, joinPath, parentOf } from '../../core/path.ts'
import type { MergedTree } from '../../snapshot/merged-tree.ts'

export interface TargetEntry {
  readonly type: 'file' | 'directory' | 'symlink' | 'other'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly linkTarget?: string
}

/** What the base has at a clean path none of whose directories is a symbolic link; the last component is not followed. The root is the empty path. */
export type BaseLookup = (path: string) => Promise<TargetEntry | undefined>

/** What is asked of the base's layers. */
export function baseLookup(merged: MergedTree): BaseLookup {
  return async (path) => {
    const entry = merged.lookup(path, { follow: false })
    if (entry === undefined) return undefined
    const { type, mode, uid, gid, linkTarget } = entry
    const known = type === 'file' || type === 'directory' || type === 'symlink'
    return {
      type: known ? type : 'other',
      mode,
      uid,
      gid,
      ...(linkTarget === undefined ? {} : { linkTarget }),
    }
  }
}

export interface TargetTree {
  /** The entry at a resolved path, itself not followed. */
  entry(path: string): Promise<TargetEntry | undefined>
  /** As `entry`, or `unknown` when the base would have to be asked. */
  known(path: string): TargetEntry | undefined | 'unknown'
  /** Where `path` leads with every symbolic link followed inside `root` (a resolved path), missing components kept as they are. */
  resolve(path: string, root?: string): Promise<string>
  /** Notes a planned entry; it replaces what was there, unless both are directories. Precondition: what was there is known. */
  put(path: string, entry: TargetEntry): void
}

/** As many links as Linux follows in one path (path_resolution(7)). */
const maxLinks = 40

/** The target on top of `base`; without one it begins empty. */
export function targetTree(base: BaseLookup | undefined): TargetTree {
  const planned = new PlannedEntries()
  const looked = new Map<string, TargetEntry | undefined>()

  const known = (path: string): TargetEntry | undefined | 'unknown' => {
    const entry = planned.get(path)
    if (entry !== undefined) return entry
    if (base === undefined) return path === '' ? emptyRoot : undefined
    if (path !== '' && planned.isFresh(parentOf(path))) return undefined
    return looked.has(path) ? looked.get(path) : 'unknown'
  }
  const entry = async (path: string): Promise<TargetEntry | undefined> => {
    const found = known(path)
    if (found !== 'unknown') return found
    const asked = await base?.(path)
    looked.set(path, asked)
    return asked
  }
  return {
    entry,
    known,
    async resolve(path, root = '') {
      const rest = path.split('/').reverse()
      let at = root
      let links = 0
      for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
        if (name === '' || name === '.') continue
        if (name === '..') {
          at = at === root ? root : parentOf(at)
          continue
        }
        const next = joinPath(at, name)
        const found = await entry(next)
        if (found?.type !== 'symlink') {
          at = next
          continue
        }
        if (++links > maxLinks) throw tooManyLinks(path)
        const target = found.linkTarget ?? ''
        if (target.startsWith('/')) at = root
        rest.push(...target.split('/').reverse())
      }
      return at
    },
    put(path, made) {
      const before = known(path)
      invariant(before !== 'unknown', 'an entry was planned without looking at what it replaces')
      const merged = made.type === 'directory' && before?.type === 'directory'
      const isFresh = !merged || base === undefined || planned.isFresh(path)
      if (!merged && before?.type === 'directory') planned.forgetBelow(path)
      planned.set(path, made, isFresh)
      looked.delete(path)
    },
  }
}

const emptyRoot: TargetEntry = { type: 'directory', mode: 0o755, uid: 0, gid: 0 }

/** By directory: an archive may have millions, and replace directories over and over. */
class PlannedEntries {
  readonly #children = new Map<string, Map<string, TargetEntry>>()
  /** Directories through which something of the base shows. */
  readonly #merged = new Set<string>()

  get(path: string): TargetEntry | undefined {
    return this.#children.get(parentOf(path))?.get(baseOf(path))
  }

  /** Whether the entry is planned and nothing of the base shows through: every child is a planned one. */
  isFresh(path: string): boolean {
    return this.get(path) !== undefined && !this.#merged.has(path)
  }

  set(path: string, entry: TargetEntry, isFresh: boolean): void {
    const directory = parentOf(path)
    const names = this.#children.get(directory) ?? new Map<string, TargetEntry>()
    if (names.size === 0) this.#children.set(directory, names)
    names.set(baseOf(path), entry)
    if (isFresh) this.#merged.delete(path)
    else this.#merged.add(path)
  }

  /** A directory that is replaced takes what was planned inside with it. */
  forgetBelow(path: string): void {
    for (const waiting = [path]; waiting.length > 0; ) {
      const directory = waiting.pop() ?? ''
      const names = this.#children.get(directory)
      this.#children.delete(directory)
      for (const [name, { type }] of names ?? []) {
        const below = joinPath(directory, name)
        this.#merged.delete(below)
        if (type === 'directory') waiting.push(below)
      }
    }
  }
}

function tooManyLinks(path: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_COPY_LINK_LOOP',
    message: `resolve destination ${JSON.stringify(`/${textOf(path)}`)}: too many levels of symbolic links`,
  })
}
