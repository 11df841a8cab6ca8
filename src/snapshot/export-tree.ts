// A merged file system written out for the user: as a tar archive (-o type=tar) or into a directory
// (-o type=local). Attributes private to overlayfs never get this far.

import type { Writable } from 'node:stream'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isWrittenXattr } from '../layer/layer-xattrs.ts'
import { type TarInput, writeTar } from '../layer/tar-write.ts'
import { applyFileOperations, type FileCounts, type FileOperation } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import type { MergedEntry, MergedTree } from './merged-tree.ts'

/** What is read of a tree: all of one, or a part (subtree.ts). */
export type ExportedTree = Pick<MergedTree, 'lookup' | 'walk' | 'xattrs'>

export interface ExportOptions {
  readonly signal: AbortSignal
  /** Times later than this become this (SOURCE_DATE_EPOCH). */
  readonly latestMtimeNs?: bigint
}

/** Writes everything below the root and ends `out`. Postcondition: the archive is complete. */
export async function writeTreeTar(tree: ExportedTree, out: Writable, options: ExportOptions): Promise<void> {
  const archive = Readable.from(writeTar(tarInputs(tree, options)), {
    objectMode: false,
    highWaterMark: 1 << 20,
  })
  await pipeline(archive, out, { signal: options.signal })
}

export interface CopyTreeOptions extends ExportOptions {
  readonly native: Native
  /** Everything belongs to this account instead of its owner in the image. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/** Writes everything below the root into `destination` (an existing directory), replacing files that are in the way; what else is there stays. */
export async function copyTree(
  tree: ExportedTree,
  destination: string,
  options: CopyTreeOptions,
): Promise<FileCounts> {
  const { native, signal } = options
  return await applyFileOperations({ kind: 'directory', path: destination }, copyOperations(tree, options), {
    native,
    signal,
  })
}

function* below(tree: ExportedTree): Generator<MergedEntry, void, undefined> {
  const root = tree.lookup('', { follow: false })
  if (root !== undefined) yield* tree.walk(root)
}

function* tarInputs(tree: ExportedTree, options: ExportOptions): Generator<TarInput, void, undefined> {
  const firstNames = new Map<string, string>()
  for (const entry of below(tree)) {
    const { path, type, mode, uid, gid, size, device } = entry
    if (type === 'socket') continue
    const common = { path, mode, uid, gid, mtimeNs: mtimeOf(entry, options) }
    const first = firstName(firstNames, entry)
    if (first !== undefined) {
      yield {
        entry: {
          ...common,
          type: 'hardlink',
          size: 0,
          linkTarget: first,
          devMajor: 0,
          devMinor: 0,
          xattrs: new Map(),
        },
      }
      continue
    }
    yield {
      entry: {
        ...common,
        type,
        size,
        ...(entry.linkTarget === undefined ? {} : { linkTarget: entry.linkTarget }),
        devMajor: device?.major ?? 0,
        devMinor: device?.minor ?? 0,
        xattrs: new Map(writtenXattrs(tree, entry)),
      },
      ...(type === 'file' ? { body: { path: entry.hostPath } } : {}),
    }
  }
}

function* copyOperations(
  tree: ExportedTree,
  options: CopyTreeOptions,
): Generator<FileOperation, void, undefined> {
  const firstNames = new Map<string, string>()
  for (const entry of below(tree)) {
    const { path, type, mode, size, hostPath } = entry
    if (type === 'socket' || (isDevice(type) && !options.native.userNamespace().isInitial)) continue
    const target = firstName(firstNames, entry)
    if (target !== undefined) {
      yield { op: 'hardlink', path, target }
      continue
    }
    const { uid, gid } = options.owner ?? entry
    const common = { path, uid, gid, mtimeNs: mtimeOf(entry, options), xattrs: writtenXattrs(tree, entry) }
    if (type === 'directory') yield { op: 'directory', mode, ...common }
    else if (type === 'file') yield { op: 'file', mode, source: { path: hostPath, size }, ...common }
    else if (type === 'symlink') yield { op: 'symlink', target: entry.linkTarget ?? '', ...common }
    else
      yield {
        op: 'node',
        type,
        mode,
        major: entry.device?.major ?? 0,
        minor: entry.device?.minor ?? 0,
        ...common,
      }
  }
}

/** What an ordinary user cannot make, and a directory for the user shall not have in its place. */
function isDevice(type: MergedEntry['type']): boolean {
  return type === 'char' || type === 'block'
}

/** The name under which a file with several names was already written; the first time, none. */
function firstName(firstNames: Map<string, string>, { linkGroup, path }: MergedEntry): string | undefined {
  if (linkGroup === undefined) return undefined
  const first = firstNames.get(linkGroup)
  if (first === undefined) firstNames.set(linkGroup, path)
  return first
}

function writtenXattrs(tree: ExportedTree, entry: MergedEntry): readonly (readonly [string, Uint8Array])[] {
  return [...tree.xattrs(entry)].filter(([name]) => isWrittenXattr(name))
}

function mtimeOf({ mtimeNs }: MergedEntry, { latestMtimeNs }: ExportOptions): bigint {
  return latestMtimeNs !== undefined && mtimeNs > latestMtimeNs ? latestMtimeNs : mtimeNs
}
