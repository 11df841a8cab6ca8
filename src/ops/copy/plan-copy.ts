// Where selected files go: the destination rules of COPY and ADD as file operations with resolved paths.
// The rules are BuildKit's (fsutil/copy/copy.go), checked against dockerd 20.10 and the source of 0.2x.

import { bytesOf, textOf } from '../../core/byte-string.ts'
import { invariant, SlipwayError } from '../../core/error.ts'
import type { ModeChange } from '../../core/file-mode.ts'
import { baseOf, cleanPath, joinPath, parentOf } from '../../core/path.ts'
import { whiteoutPrefix } from '../../layer/layer-path.ts'
import type { FileOperation, Xattrs } from '../../sys/file-operation.ts'
import type { UserIds } from './owner.ts'
import type { Below, Selected } from './select.ts'
import type { SourceEntry } from './source-tree.ts'
import type { TargetEntry, TargetTree } from './target-tree.ts'

/** What the flags of one instruction say about everything it makes. */
export interface CopyStyle {
  readonly instruction: string
  readonly owner?: UserIds
  readonly mode?: ModeChange
  /** The mode of directories that have no source. */
  readonly parentMode: number
  /** The time of directories that have no source. */
  readonly nowNs: bigint
}

/** Receives operations in order. */
export type Emit = (operation: FileOperation) => void

/** The operations that copy `item` to `destination` (absolute). Returns the path of what it becomes. Throws ERR_COPY_*. */
export async function planCopy(
  target: TargetTree,
  item: Selected,
  destination: string,
  style: CopyStyle,
  emit: Emit,
): Promise<string> {
  const place = await planDestination(target, item, destination, style, emit)
  await planItem(target, item, place, style, emit)
  return place
}

/** The resolved path of what `item` becomes; its parent directories are planned. */
async function planDestination(
  target: TargetTree,
  item: Selected,
  destination: string,
  style: CopyStyle,
  emit: Emit,
): Promise<string> {
  const written = bytesOf(destination)
  const isDirectory = item.entry.type === 'directory'
  if (/\/\.?$/.test(written)) await planDirectories(target, cleanPath(written), style, emit)
  const place = await target.resolve(cleanPath(written))
  const existing = await target.entry(place)
  if (isDirectory) {
    if (existing === undefined) await planDirectories(target, place, style, emit)
    return place
  }
  const file = existing?.type === 'directory' ? joinPath(place, item.name) : place
  await planDirectories(target, parentOf(file), style, emit)
  return file
}

/**
 * Makes what is missing of a directory path, also when it stands for a copied directory: with the style's parentMode and
 * owned by the flag's owner (root without one). Returns the resolved path. As in BuildKit an octal --chmod counts for these
 * directories, too (so that --chmod=644 makes them unreadable; not yet in its 0.8), a symbolic one never does.
 */
export async function planDirectories(
  target: TargetTree,
  path: string,
  style: Pick<CopyStyle, 'owner' | 'parentMode' | 'nowNs' | 'instruction'>,
  emit: Emit,
): Promise<string> {
  const resolved = await target.resolve(path)
  const missing: string[] = []
  for (let at = resolved; ; at = parentOf(at)) {
    const existing = await target.entry(at)
    if (existing?.type === 'directory' || at === '') break
    if (existing !== undefined) throw notDirectory(at, style)
    missing.push(at)
  }
  const owner = style.owner ?? { uid: 0, gid: 0 }
  for (const at of missing.reverse()) {
    const mode = style.parentMode
    checkName(at, style)
    emit({ op: 'directory', path: at, mode, ...owner, mtimeNs: style.nowNs })
    target.put(at, { type: 'directory', mode, ...owner })
  }
  return resolved
}

async function planItem(
  target: TargetTree,
  item: Selected,
  place: string,
  style: CopyStyle,
  emit: Emit,
): Promise<void> {
  const links = new Map<string, string>()
  if (item.entry.type !== 'directory') {
    await planEntry(target, item.entry, place, style, emit, links)
    return
  }
  // The directory that receives the contents keeps its metadata, new or old, and only takes the source's time.
  const existing = await target.entry(place)
  if (existing?.type !== 'directory') throw notDirectory(place, style, 'cannot copy to non-directory')
  emit({
    op: 'directory',
    path: place,
    mode: existing.mode,
    uid: existing.uid,
    gid: existing.gid,
    mtimeNs: item.entry.mtimeNs,
  })
  const prefix = place === '' ? '' : `${place}/`
  for (const below of item.below) {
    const path = prefix + below.path
    const waiting = planEntry(target, below.entry, path, style, emit, links, below)
    if (waiting !== undefined) await waiting
  }
}

/**
 * Plans one entry at a resolved path; a promise only when the base must be asked what stands there, which is never
 * the case below a new directory.
 */
function planEntry(
  target: TargetTree,
  entry: SourceEntry,
  path: string,
  style: CopyStyle,
  emit: Emit,
  links: Map<string, string>,
  below?: Below,
): Promise<void> | undefined {
  checkName(path, style)
  const existing = target.known(path)
  if (existing === 'unknown') {
    return target.entry(path).then((found) => place(found))
  }
  return place(existing)

  function place(found: TargetEntry | undefined): undefined {
    if (entry.type === 'directory') {
      if (found !== undefined && found.type !== 'directory')
        throw notDirectory(path, style, 'cannot copy to non-directory')
      if (found !== undefined && below?.implied === true) {
        // Of a directory on the way to a --parents match that exists already, only the mode changes.
        const { uid, gid } = found
        emit({ op: 'directory', path, mode: entry.mode, uid, gid, mtimeNs: style.nowNs })
        target.put(path, { ...found, mode: entry.mode })
        return
      }
    } else if (found?.type === 'directory') {
      throw overDirectory(path, style)
    }
    const made = copyOf(entry, path, style, links)
    emit(made.operation)
    target.put(path, made.entry)
  }
}

function copyOf(
  entry: SourceEntry,
  path: string,
  style: CopyStyle,
  links: Map<string, string>,
): { operation: FileOperation; entry: TargetEntry } {
  const { uid, gid } = style.owner ?? entry
  const mode = style.mode?.(entry.mode, entry.type === 'directory') ?? entry.mode
  const xattrs: Xattrs | undefined = entry.xattrs && [...entry.xattrs]
  const metadata = { path, mode, uid, gid, mtimeNs: entry.mtimeNs, ...(xattrs ? { xattrs } : {}) }
  const other: TargetEntry = { type: 'other', mode, uid, gid }
  switch (entry.type) {
    case 'directory':
      return { operation: { op: 'directory', ...metadata }, entry: { ...other, type: 'directory' } }
    case 'symlink': {
      const linkTarget = entry.linkTarget ?? ''
      const { mode: _, ...link } = metadata
      return {
        operation: { op: 'symlink', target: linkTarget, ...link },
        entry: { ...other, type: 'symlink', linkTarget },
      }
    }
    case 'file': {
      const first = entry.linkGroup === undefined ? undefined : links.get(entry.linkGroup)
      if (first !== undefined)
        return { operation: { op: 'hardlink', path, target: first }, entry: { ...other, type: 'file' } }
      if (entry.linkGroup !== undefined) links.set(entry.linkGroup, path)
      const source = { path: entry.hostPath, size: entry.size, ...stateOf(entry) }
      return { operation: { op: 'file', ...metadata, source }, entry: { ...other, type: 'file' } }
    }
    case 'char':
    // Differs: BuildKit's transfer makes character devices of a context's block devices.
    case 'block':
    case 'fifo': {
      const { major, minor } = entry.device ?? { major: 0, minor: 0 }
      return { operation: { op: 'node', type: entry.type, major, minor, ...metadata }, entry: other }
    }
    case 'socket':
      invariant(false, 'a socket was selected')
  }
}

function stateOf({ state }: SourceEntry) {
  if (state === undefined) return {}
  const { dev, ino, mtimeNs, ctimeNs } = state
  return { inode: ino, state: { dev, ino, times: { mtimeNs, ctimeNs } } }
}

/** A name that image layers reserve for whiteouts would silently delete files of the base (image-spec, layer.md). */
export function checkName(path: string, style: Pick<CopyStyle, 'instruction'>): void {
  if (!path.includes(whiteoutPrefix) || !baseOf(path).startsWith(whiteoutPrefix)) return
  throw new SlipwayError({
    code: 'ERR_COPY_RESERVED_NAME',
    message: `${style.instruction} failed: ${shown(path)}: names that begin with .wh. are whiteouts in image layers`,
    hint: 'rename the file, or exclude it in the ignore file (.dockerignore) or with --exclude',
  })
}

/** The failure of a path that must be a directory and is none. */
export function notDirectory(
  path: string,
  style: Pick<CopyStyle, 'instruction'>,
  reason = 'not a directory',
): SlipwayError {
  return new SlipwayError({
    code: 'ERR_COPY_NOT_DIRECTORY',
    message: `${style.instruction} failed: ${reason}: ${shown(path)}`,
    data: { path: `/${textOf(path)}` },
  })
}

/** The failure of a file that would replace a directory. */
export function overDirectory(path: string, style: Pick<CopyStyle, 'instruction'>): SlipwayError {
  return new SlipwayError({
    code: 'ERR_COPY_OVER_DIRECTORY',
    message: `${style.instruction} failed: cannot replace to directory ${shown(path)} with file`,
    data: { path: `/${textOf(path)}` },
  })
}

function shown(path: string): string {
  return JSON.stringify(`/${textOf(path)}`)
}
