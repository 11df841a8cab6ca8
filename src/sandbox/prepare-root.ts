// What must be there before a container is made, and be known of its root file system: directories in the snapshot's work
// directory, places to mount on that the image lacks, the user. The layers are read as they are; nothing runs in them now.
import { createHash } from 'node:crypto'
import { chmodSync, chownSync, lstatSync, mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { posix } from 'node:path'
import { bytesOf, fsPath } from '../core/byte-string.ts'
import { errnoOf } from '../core/error.ts'
import { joinPath, parentOf } from '../core/path.ts'
import { type Absences, type MergedTree, mergedTree } from '../snapshot/merged-tree.ts'
import type { Native } from '../sys/native.ts'
import { dropVolatileMark } from '../sys/overlay-steps.ts'
import { findUser, type ImageUser } from './image-user.ts'
import type { Mount, ProcessSpec } from './types.ts'

export interface PreparedRoot {
  readonly tree: MergedTree
  readonly user: ImageUser
  /** The directory of the lowest layer. */
  readonly stubs: string
  /** Of every mount, in order. */
  readonly places: readonly Place[]
  /** Where the working directory is, a byte string as in Place. */
  readonly cwd: string
}

/** Where a mount goes. */
export interface Place {
  /** A byte string; without links in it where `isOfImage`. */
  readonly path: string
  readonly isDirectory: boolean
  /** false: it is on a file system that is mounted before, and goes away with it. */
  readonly isOfImage: boolean
}

/** What the work directory has for every process, in a part of it that the next one may find as it is. */
export interface WorkPlaces {
  /** The kernel's own. */
  readonly overlay: string
  /** A mount point for the root file system. */
  readonly root: string
  /** And one for small files and nodes. */
  readonly store: string
}

/** Where they are. */
export function workPlaces(work: string): WorkPlaces {
  const kept = `${work}/kept`
  return { overlay: `${kept}/overlay`, root: `${kept}/root`, store: `${kept}/store` }
}

/** Makes the directories, and looks; `absences` is shared by processes on the same layers. Throws ERR_SANDBOX_USER. */
export function prepareRoot(spec: ProcessSpec, native: Native, absences: Absences = new Set()): PreparedRoot {
  const { lower, upper, work } = spec.root
  const tree = mergedTree([...lower, upper], { native, absences })
  const user = findUser(spec.user, tree)
  const mounted = ['dev', 'proc', 'sys']
  const missing: Stub[] = []
  const places = spec.mounts.map((mount, index) => {
    if (mount.kind === 'layers') prepareLayers(mount.lower, `${work}/mount-${index}`)
    const { path, exists, isOfImage } = resolvePlace(tree, mount.target, mounted)
    const place = { path, isDirectory: isDirectory(mount, native), isOfImage }
    mounted.push(path)
    if (isOfImage && !exists) missing.push({ ...place, isOpen: inheritsMode(mount) })
    return place
  })
  const stubs = prepareWork(work, missing)
  return { tree, user, stubs, places, cwd: resolvePlace(tree, spec.cwd, mounted).path }
}

/** A place that the image lacks. */
interface Stub extends Pick<Place, 'path' | 'isDirectory'> {
  readonly isOpen: boolean
}

/** Makes what `workPlaces` names, and a layer that has just the stubs: one that is there already is whole, and nobody changes it. */
function prepareWork(work: string, missing: readonly Stub[]): string {
  const names = missing.map(({ path, isDirectory, isOpen }) => [path, isDirectory, isOpen])
  const stubs = `${work}/kept/stubs-${createHash('sha256').update(JSON.stringify(names)).digest('hex')}`
  if (lstatSync(stubs, { throwIfNoEntry: false }) !== undefined) {
    dropVolatileMark(workPlaces(work).overlay)
    return stubs
  }
  makeDirectory(`${work}/kept`, 0o700)
  for (const path of Object.values(workPlaces(work))) makeDirectory(path, 0o700)
  dropVolatileMark(workPlaces(work).overlay)
  // Its mode shows where the image has no root directory of its own.
  makeDirectory(stubs, 0o755)
  for (const stub of missing) makeStub(stubs, stub)
  return stubs
}

interface Resolved {
  readonly path: string
  readonly exists: boolean
  readonly isOfImage: boolean
}

const maxLinks = 40

/** Where `target` leads in the image, also over links that lead nowhere yet; below what is mounted before only Linux knows. */
function resolvePlace(tree: MergedTree, named: string, mounted: readonly string[]): Resolved {
  const target = bytesOf(posix.resolve('/', named))
  const rest = target.split('/').reverse()
  let at = ''
  let exists = true
  let links = 0
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === '' || name === '.') continue
    if (mounted.includes(at)) {
      return { path: joinPath(at, [name, ...rest.reverse()].join('/')), exists: false, isOfImage: false }
    }
    const next = name === '..' ? parentOf(at) : joinPath(at, name)
    const entry = tree.lookup(next, { follow: false })
    if (entry?.linkTarget === undefined) {
      at = next
      exists = entry !== undefined
      continue
    }
    // The helper will say so.
    if (++links > maxLinks) return { path: target, exists: true, isOfImage: false }
    if (entry.linkTarget.startsWith('/')) at = ''
    rest.push(...entry.linkTarget.split('/').reverse())
  }
  return { path: at, exists, isOfImage: true }
}

function isDirectory(mount: Mount, native: Native): boolean {
  switch (mount.kind) {
    case 'tmpfs':
      return true
    case 'file':
      return false
    case 'bind':
      return statSync(mount.source, { throwIfNoEntry: false })?.isDirectory() ?? false
    case 'layers': {
      const found = mergedTree(mount.lower, { native }).lookup(bytesOf(mount.source), { follow: true })
      return found?.type === 'directory'
    }
  }
}

/** A place in the lowest layer. What does not fit in there (a place below a file) is judged again in the merged view. */
function makeStub(layer: string, { path, isDirectory: isDir, isOpen }: Stub): void {
  const names = path.split('/')
  const last = isDir ? undefined : names.pop()
  let at = bytesOf(layer)
  try {
    for (const name of names) {
      at += `/${name}`
      makeDirectory(fsPath(at), 0o755)
    }
    if (last !== undefined) writeFileSync(fsPath(`${at}/${last}`), '', { flag: 'a', mode: 0o644 })
    else if (isOpen) chmodSync(fsPath(at), 0o1777)
  } catch (thrown) {
    if (!unfit.has(errnoOf(thrown) ?? '')) throw thrown
  }
}

const unfit = new Set(['ENOTDIR', 'EEXIST', 'EISDIR', 'ENAMETOOLONG'])

/** Whether the file system has the mode of what is below it: 1777 where there is nothing. */
export function inheritsMode(mount: Mount): boolean {
  return mount.kind === 'tmpfs' && mount.mode === undefined
}

/** Layers whose changes are thrown away: the directories of an overlay. */
function prepareLayers(lower: readonly string[], directory: string): void {
  for (const part of ['', '/upper', '/overlay', '/root']) mkdirSync(`${directory}${part}`, 0o700)
  const top = lower.at(-1)
  if (top === undefined) return
  // The merged root looks like the uppermost directory, which has to carry on what the layers' own was.
  const { uid, gid, mode, mtimeMs } = lstatSync(top)
  chownSync(`${directory}/upper`, uid, gid)
  chmodSync(`${directory}/upper`, mode & 0o7777)
  utimesSync(`${directory}/upper`, mtimeMs / 1000, mtimeMs / 1000)
}

/** With just this mode, whatever slipway's umask leaves of what others may do. */
function makeDirectory(path: string | Buffer, mode: number): void {
  try {
    mkdirSync(path, mode)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EEXIST') throw thrown
    return
  }
  if (mode & 0o77) chmodSync(path, mode)
}
