// A local directory as a source of COPY and ADD: what `.dockerignore` lets through, links confined to the
// directory, everything owned by root. Which of it is copied is decided in select.ts.
import { lstatSync } from 'node:fs'
import { fsPath, textOf } from '../../core/byte-string.ts'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import { cleanPath, joinPath, parentOf } from '../../core/path.ts'
import type { IgnoreMatcher, Verdict } from '../../dockerfile/ignore-matcher.ts'
import { isWrittenXattr } from '../../layer/layer-xattrs.ts'
import type { Native } from '../../sys/native.ts'
import {
  type Listing,
  listPaths,
  listTree,
  type Name,
  readNames,
  readXattrs,
  type TreeEntry,
  typeOfMode,
} from '../../sys/scan.ts'
import { changed, unreadable } from './hash-files.ts'
import type { SourceEntry, SourceTree } from './source-tree.ts'

export interface LocalTreeOptions {
  /** Absolute path without links in it, as a byte string. */
  readonly root: string
  readonly description: string
  /** Decides which paths exist; absent when nothing is ignored. */
  readonly ignore?: IgnoreMatcher
  /** Where the ignore pattern of this index stands: `Dockerfile.dockerignore:3`. */
  placeOfPattern?(index: number): string | undefined
  readonly native: Native
}

/** As many links as Linux follows in one path (path_resolution(7)). */
const maxLinks = 40

/** The source over a local directory. Every subtree is listed once, so that all readers of it see the same state. */
export function localTree(options: LocalTreeOptions): SourceTree {
  const reading: Reading = { ...options, visible: visibleOnce(options) }
  const walks = new Map<string, Promise<Walk>>()
  const walkOnce = (directory: string): Promise<Walk> => {
    const found = walks.get(directory) ?? walkVisible(reading, directory)
    walks.set(directory, found)
    return found
  }
  const walk = async (directory: string): Promise<readonly SourceEntry[]> =>
    (await walkOnce(directory)).entries
  const verdictOf = (entry: SourceEntry) =>
    entry.path === '' ? undefined : options.ignore?.(entry.path, entry.type === 'directory')
  const isVisible = async (entry: SourceEntry): Promise<boolean> => {
    const verdict = verdictOf(entry)
    if (verdict?.excluded !== true) return true
    // An ignored directory exists if a `!` pattern brings back something in it.
    return entry.type === 'directory' && !verdict.skip && (await walk(entry.path)).length > 0
  }
  const placeOf = (verdict: Verdict | undefined): string | undefined => {
    const { index, by } = verdict ?? {}
    const place = index === undefined ? undefined : options.placeOfPattern?.(index)
    return place === undefined ? undefined : `${place} (${JSON.stringify(by)})`
  }
  const isHidden = (link: SourceEntry): boolean => verdictOf(link)?.excluded === true
  const look = async (path: string): Promise<SourceEntry | undefined> => {
    if (path === '') return rootOf(options)
    const [found] = await lookAt(options, [path])
    return found
  }
  return {
    description: options.description,
    isLocal: true,
    async find(path, follow) {
      const found = await resolveInside(look, isHidden, cleanPath(path), follow)
      return found !== undefined && (await isVisible(found)) ? found : undefined
    },
    async list(directory) {
      const names = readDirectory(options, directory.path)
      const paths = names.map(({ name }) => joinPath(directory.path, name))
      const entries: SourceEntry[] = []
      for (const entry of await lookAt(options, paths)) {
        if (await isVisible(entry)) entries.push(entry)
      }
      return entries
    },
    walk: (directory) => walk(directory.path),
    listing: async ({ path }) =>
      (await walks.get(path))?.listing ?? (await listVisible(reading, path, { xattrs: false })),
    async whyMissing(path) {
      const shown = JSON.stringify(`/${textOf(path)}`)
      const found = await resolveInside(look, () => false, cleanPath(path), true)
      if (found !== undefined)
        return `${shown} exists, but ${placeOf(verdictOf(found)) ?? '.dockerignore'} excludes it`
      const link = await deadLink(look, cleanPath(path))
      return link?.linkTarget === undefined
        ? undefined
        : `${JSON.stringify(`/${textOf(link.path)}`)} is a link to ${JSON.stringify(textOf(link.linkTarget))}, which leads to nothing in the ${options.description}`
    },
    async verify(entries) {
      for (const entry of entries) {
        if (entry.state !== undefined && entry.type === 'file' && !isUnchanged(entry)) throw changed(entry)
      }
    },
  }
}

/** The first link on the way along `path`, its end included, that leads to nothing. */
async function deadLink(look: Look, path: string): Promise<SourceEntry | undefined> {
  const parts = path.split('/')
  // The looks grow with the square of the depth, and this is only a hint.
  if (parts.length > 100) return undefined
  for (const [index] of parts.entries()) {
    const way = parts.slice(0, index + 1).join('/')
    if ((await resolveInside(look, () => false, way, true)) === undefined) {
      return resolveInside(look, () => false, way, false)
    }
  }
  return undefined
}

type Look = (path: string) => Promise<SourceEntry | undefined>

async function resolveInside(
  look: Look,
  isHidden: (link: SourceEntry) => boolean,
  path: string,
  follow: boolean,
): Promise<SourceEntry | undefined> {
  let at = await look('')
  const rest = path.split('/').reverse()
  let links = 0
  for (let name = rest.pop(); name !== undefined && at !== undefined; name = rest.pop()) {
    if (name === '' || name === '.') continue
    if (at.type !== 'directory') return undefined
    const next = await look(name === '..' ? parentOf(at.path) : joinPath(at.path, name))
    if (next?.type !== 'symlink' || (rest.length === 0 && !follow)) {
      at = next
      continue
    }
    // An ignored link is not there, even if what it points to is.
    if (isHidden(next) || ++links > maxLinks) return undefined
    const target = next.linkTarget ?? ''
    if (target.startsWith('/')) at = await look('')
    rest.push(...target.split('/').reverse())
  }
  return at
}

/** Those of the paths that are there. No link in a path is followed, whoever puts it there meanwhile. */
async function lookAt(options: LocalTreeOptions, paths: readonly string[]): Promise<SourceEntry[]> {
  const { native, root } = options
  const reading = { native, xattrs: true, noLinks: true }
  // No file has a NUL in its name, but a Dockerfile may.
  const possible = paths.filter((path) => !path.includes('\0'))
  const listing = await scanned(options, () => listPaths(fsPath(root), possible, reading))
  return listing.entries().map((entry) => sourceEntry(entry.path, `${root}/${entry.path}`, entry))
}

function rootOf(options: LocalTreeOptions): SourceEntry | undefined {
  try {
    return lookAtRoot(options)
  } catch (thrown) {
    throw unreadable({ path: '' }, thrown)
  }
}

function lookAtRoot({ root, native }: LocalTreeOptions): SourceEntry | undefined {
  const stat = lstatSync(fsPath(root), { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) return undefined
  return sourceEntry('', root, {
    type: typeOfMode(Number(stat.mode)),
    mode: Number(stat.mode) & 0o7777,
    size: Number(stat.size),
    dev: stat.dev,
    ino: stat.ino,
    nlink: Number(stat.nlink),
    rdevMajor: 0,
    rdevMinor: 0,
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    xattrs: readXattrs(fsPath(root), native),
  })
}

type Looked = Omit<TreeEntry, 'path' | 'uid' | 'gid' | 'dev'> & {
  readonly dev: number | bigint
}

function sourceEntry(path: string, hostPath: string, looked: Looked): SourceEntry {
  const { type, ino, mtimeNs, ctimeNs } = looked
  const dev = BigInt(looked.dev)
  const size = type === 'file' ? looked.size : 0
  const isDevice = type === 'char' || type === 'block'
  let xattrs: Map<string, Buffer> | undefined
  for (const [name, value] of looked.xattrs ?? []) {
    // Like an owner, a privilege of this machine: BuildKit's transfer of the context loses capabilities, too.
    if (!isWrittenXattr(name) || name === 'security.capability') continue
    xattrs ??= new Map()
    xattrs.set(name, Buffer.from(value))
  }
  return {
    path,
    type,
    mode: looked.mode,
    uid: 0,
    gid: 0,
    size,
    mtimeNs,
    hostPath,
    ...(looked.linkTarget === undefined ? {} : { linkTarget: looked.linkTarget }),
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(isDevice ? { device: { major: looked.rdevMajor, minor: looked.rdevMinor } } : {}),
    ...(type === 'file' && looked.nlink > 1 ? { linkGroup: `${dev}:${ino}` } : {}),
    ...(type === 'file' ? { state: { dev, ino, size, mtimeNs, ctimeNs } } : {}),
  }
}

function isUnchanged({ hostPath, state }: SourceEntry): boolean {
  const stat = lstatSync(fsPath(hostPath), { bigint: true, throwIfNoEntry: false })
  return (
    stat !== undefined &&
    state !== undefined &&
    stat.mtimeNs === state.mtimeNs &&
    stat.ctimeNs === state.ctimeNs &&
    stat.ino === state.ino
  )
}

interface Walk {
  readonly entries: readonly SourceEntry[]
  readonly listing: Pick<Listing, 'signature' | 'newestNs'>
}

/** Everything visible below a directory. */
async function walkVisible(options: Reading, directory: string): Promise<Walk> {
  const listing = await listVisible(options, directory, { xattrs: true })
  const { signature, newestNs } = listing
  const entries: SourceEntry[] = []
  // What a whole directory holds is listed by names relative to it, and begins with itself.
  const top = options.ignore === undefined ? directory : ''
  for (const found of listing.entries()) {
    if (found.path === '') continue
    const path = joinPath(top, found.path)
    entries.push(sourceEntry(path, `${options.root}/${path}`, found))
  }
  return { entries, listing: { signature, newestNs } }
}

function listVisible(
  options: Reading,
  directory: string,
  { xattrs }: { readonly xattrs: boolean },
): Promise<Listing> {
  const { native, root } = options
  const how = { native, xattrs, noLinks: true }
  const paths = options.visible(directory)
  if (paths !== undefined) return scanned(options, () => listPaths(fsPath(root), paths, how))
  const hostPath = directory === '' ? root : `${root}/${directory}`
  return scanned(options, () => listTree(fsPath(hostPath), how))
}

interface Reading extends LocalTreeOptions {
  /** The visible paths below a directory; undefined when nothing is ignored. */
  visible(directory: string): readonly string[] | undefined
}

/** Each directory's names are judged once, for its looks and for its walk. */
function visibleOnce(options: LocalTreeOptions): Reading['visible'] {
  const { ignore } = options
  const known = new Map<string, readonly string[]>()
  return (directory) => {
    const found = known.get(directory)
    if (found !== undefined || ignore === undefined) return found
    const paths = visiblePaths(options, directory, ignore)
    known.set(directory, paths)
    return paths
  }
}

/** A directory being looked through. */
interface Level {
  readonly path: string
  readonly isExcluded: boolean
  /** How many paths there were with the directory's own. */
  readonly count: number
  readonly names: Iterator<Name>
}

/**
 * The paths visible below a directory, by names alone: what is ignored costs no look at it, and directories of
 * which nothing is visible are not read. An ignored directory is visible if something in it is.
 */
function visiblePaths(options: LocalTreeOptions, directory: string, ignore: IgnoreMatcher): string[] {
  const paths: string[] = []
  const open = (path: string, isExcluded: boolean): Level => ({
    path,
    isExcluded,
    count: paths.length,
    names: readDirectory(options, path).values(),
  })
  // No recursion: directories may be nested deeper than calls.
  const levels = [open(directory, false)]
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const { value, done } = level.names.next()
    if (done === true) {
      levels.pop()
      if (level.isExcluded && paths.length === level.count) paths.pop()
      continue
    }
    const path = joinPath(level.path, value.name)
    const { excluded, skip } = ignore(path, value.isDirectory)
    if (excluded && (skip || !value.isDirectory)) continue
    paths.push(path)
    if (value.isDirectory) levels.push(open(path, excluded))
  }
  return paths
}

/** The names in a directory of the tree; none when it is gone since its own name was read. */
function readDirectory({ root, native }: LocalTreeOptions, path: string): Name[] {
  try {
    return readNames(fsPath(path === '' ? root : `${root}/${path}`), native)
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (path !== '' && (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP')) return []
    throw unreadable({ path }, thrown)
  }
}

async function scanned(options: LocalTreeOptions, scan: () => Promise<Listing>): Promise<Listing> {
  try {
    return await scan()
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError) || typeof thrown.data?.path !== 'string') throw thrown
    throw unreadable({ path: thrown.data.path.slice(options.root.length + 1) }, thrown.cause ?? thrown)
  }
}
