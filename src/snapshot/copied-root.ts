// Where overlayfs cannot be mounted: the layers below copied into one directory, which a step then changes, and what
// changed taken out of it as a layer. Each step costs a copy of its whole root file system.
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesOf } from '../core/byte-string.ts'
import { parentOf } from '../core/path.ts'
import { isWrittenXattr } from '../layer/layer-xattrs.ts'
import { recordedIn } from '../layer/recorded.ts'
import { applyFileOperations, type FileOperation } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import { scanTree, type TreeEntry } from '../sys/scan.ts'
import { recordXattr } from '../sys/user-namespace.ts'
import { copyTree } from './export-tree.ts'
import { mergedTree } from './merged-tree.ts'

export interface CopiedRoot {
  readonly directory: string
  /** Writes what changed since the copy was made into `layer`, an empty layer directory. */
  takeChanges(layer: string): Promise<void>
}

/** Longer than a tick of any file system's clock here: whatever changes later has another time. */
const clockTickMs = 20

/** Copies the file system of `lower` (bottom first) into the empty `directory`. */
export async function copyRoot(
  lower: readonly string[],
  directory: string,
  native: Native,
): Promise<CopiedRoot> {
  const { signal } = new AbortController()
  await copyTree(mergedTree(lower, { native }), directory, { native, signal })
  const scan = async (): Promise<ReadonlyMap<string, TreeEntry>> => {
    const entries = await scanTree(directory, { native, xattrs: true })
    return new Map(entries.map((entry) => [entry.path, entry]))
  }
  const before = await scan()
  await sleep(clockTickMs)
  return {
    directory,
    async takeChanges(layer) {
      const operations = changes(before, await scan(), bytesOf(directory))
      await applyFileOperations({ kind: 'directory', path: layer }, operations, { native, signal })
    },
  }
}

type Entries = ReadonlyMap<string, TreeEntry>

/** The layer that turns what was there into what is there; the entries of a scan come with directories first. */
function* changes(
  before: Entries,
  after: Entries,
  directory: string,
): Generator<FileOperation, void, undefined> {
  const firstNames = new Map<bigint, string>()
  const written = new Set<string>()
  // A directory that did not change is still part of the way to what did.
  function* wayTo(path: string): Generator<FileOperation, void, undefined> {
    if (path === '' || written.has(parentOf(path))) return
    const parent = after.get(parentOf(path))
    if (parent === undefined) return
    yield* wayTo(parent.path)
    written.add(parent.path)
    yield operation(parent, directory)
  }
  // Directories that stand where another one stood: nothing of that one may show through.
  const replaced = new Set<string>()
  for (const [path, entry] of after) {
    if (entry.type === 'socket' || isWhiteout(entry)) continue
    const was = before.get(path)
    const isBelowReplaced = path !== '' && replaced.has(parentOf(path))
    if (entry.type === 'directory' && (isBelowReplaced || (was !== undefined && was.ino !== entry.ino)))
      replaced.add(path)
    if (!isBelowReplaced && was !== undefined && isSame(was, entry)) continue
    yield* wayTo(path)
    written.add(path)
    const first = entry.nlink > 1 && entry.type !== 'directory' ? firstNames.get(entry.ino) : undefined
    if (first !== undefined) {
      yield { op: 'hardlink', path, target: first }
      continue
    }
    firstNames.set(entry.ino, path)
    yield operation(entry, directory)
    if (entry.type === 'directory' && was?.type === 'directory' && replaced.has(path) && !isBelowReplaced)
      yield { op: 'opaque', path }
  }
  for (const path of before.keys()) {
    const parent = parentOf(path)
    if (path !== '' && !after.has(path) && after.get(parent)?.type === 'directory' && !replaced.has(parent))
      yield { op: 'whiteout', path }
  }
}

/** Overlayfs lets nobody make one. */
function isWhiteout({ type, rdevMajor, rdevMinor }: TreeEntry): boolean {
  return type === 'char' && rdevMajor === 0 && rdevMinor === 0
}

/** The kernel sets the time of change, and a step cannot. Of a directory it also says that mount points came and went. */
function isSame(was: TreeEntry, is: TreeEntry): boolean {
  if (was.ino !== is.ino || was.type !== is.type) return false
  return was.ctimeNs === is.ctimeNs || (is.type === 'directory' && aspectOf(was) === aspectOf(is))
}

function aspectOf({ mode, uid, gid, mtimeNs, xattrs = [] }: TreeEntry): string {
  const kept = xattrs.filter(([name]) => isWrittenXattr(name) || name === recordXattr)
  const attributes = kept.map(([name, value]) => [name, value.toString('hex')])
  return JSON.stringify([mode, uid, gid, String(mtimeNs), attributes])
}

function operation(entry: TreeEntry, directory: string): FileOperation {
  const { path, type, mode, mtimeNs, size } = entry
  const recorded = recordedIn(entry.xattrs ?? [])
  const { uid, gid } = recorded ?? entry
  const xattrs = (entry.xattrs ?? []).filter(([name]) => isWrittenXattr(name))
  const common = { path, uid, gid, mtimeNs, xattrs }
  if (recorded?.device !== undefined) return { op: 'node', ...common, ...recorded.device, mode }
  switch (type) {
    case 'directory':
      return { op: 'directory', mode, ...common }
    case 'file':
      return { op: 'file', mode, ...common, source: { path: `${directory}/${path}`, size } }
    case 'symlink':
      return { op: 'symlink', ...common, target: entry.linkTarget ?? '' }
    default:
      return {
        op: 'node',
        type: type === 'char' || type === 'block' ? type : 'fifo',
        mode,
        major: entry.rdevMajor,
        minor: entry.rdevMinor,
        ...common,
      }
  }
}
