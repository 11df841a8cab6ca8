// An overlay upper directory as a layer's archive, in one pass: names in byte order, whiteouts and opaque
// marks spelled as the image-spec wants them. Compressing it is convert-layer.ts's business.
import { lstatSync } from 'node:fs'
import { bytesOf, fsPath, quoted } from '../core/byte-string.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { ociLayerType } from '../core/media-type.ts'
import { baseOf, joinPath, parentOf } from '../core/path.ts'
import type { PieceWriter } from '../store/types.ts'
import type { Native } from '../sys/native.ts'
import { scanTreeInTurn, type TreeEntry } from '../sys/scan.ts'
import type { UserNamespace } from '../sys/user-namespace.ts'
import { opaqueName, whiteoutPrefix } from './layer-path.ts'
import { isOpaqueMark, isWrittenXattr } from './layer-xattrs.ts'
import { recordOf } from './recorded.ts'
import type { TarEntry } from './tar-entry.ts'
import { type TarInput, writeTar } from './tar-write.ts'

export interface WriteLayerOptions {
  /** Layer directories below, bottom first. */
  readonly lower: readonly string[]
  readonly store: PieceWriter
  readonly native: Native
  readonly signal: AbortSignal
  /** Times later than this become this (SOURCE_DATE_EPOCH with rewrite-timestamp). */
  readonly latestMtimeNs?: bigint
}

export interface WrittenLayer {
  readonly diffId: Digest
  /** The plain tar in the store. */
  readonly descriptor: Descriptor
}

/**
 * Writes the layer whose changes are in the directory `upper`, immutable by now.
 * Postcondition: the archive is in the store. Throws ERR_LAYER_NAME_RESERVED when a file's name would read as a whiteout.
 */
export async function writeLayer(upper: string, options: WriteLayerOptions): Promise<WrittenLayer> {
  const { native, signal, store } = options
  const entries = await scanTreeInTurn(upper, { native, xattrs: true })
  const archive = writeTar(layerInputs(entries, upper, options), { native, reusesChunks: true })
  const descriptor = await store.putPieces(ociLayerType('uncompressed'), archive, signal)
  return { diffId: descriptor.digest, descriptor }
}

/** What goes into the archive. Like other builders' layers it has no entry for the root. */
function* layerInputs(
  entries: Iterable<TreeEntry>,
  upper: string,
  options: WriteLayerOptions,
): Generator<TarInput, void, undefined> {
  const root = bytesOf(upper)
  const firstNames = new Map<string, string>()
  const namespace = options.native.userNamespace()
  for (const found of entries) {
    options.signal.throwIfAborted()
    const entry = withRecord(found, namespace)
    if (entry.path === '' || entry.type === 'socket') continue
    const { path } = entry
    if (baseOf(path).startsWith(whiteoutPrefix)) throw reservedName(path)
    if (isWhiteout(entry)) {
      yield { entry: marker(joinPath(parentOf(path), whiteoutPrefix + baseOf(path))) }
      continue
    }
    const metadata = metadataOf(entry, options)
    const inode = `${entry.dev}:${entry.ino}`
    const first = entry.nlink > 1 && entry.type !== 'directory' ? firstNames.get(inode) : undefined
    if (first !== undefined) {
      yield { entry: { ...metadata, type: 'hardlink', size: 0, linkTarget: first, xattrs: noXattrs } }
      continue
    }
    if (entry.nlink > 1) firstNames.set(inode, path)
    yield {
      entry: metadata,
      ...(entry.type === 'file' ? { body: { path: `${root}/${path}` } } : {}),
    }
    if (
      entry.type === 'directory' &&
      isOpaqueMark(entry.xattrs ?? [], namespace) &&
      options.lower.some((layer) => hasDirectory(layer, path))
    ) {
      yield { entry: marker(joinPath(path, opaqueName)) }
    }
  }
}

/** The entry as it should be, where this user's files may record more than they can be. */
function withRecord(entry: TreeEntry, namespace: UserNamespace): TreeEntry {
  const recorded = recordOf(entry, namespace, () => entry.xattrs ?? [])
  if (recorded === undefined) return entry
  const { uid, gid, device } = recorded
  if (device === undefined) return { ...entry, uid, gid }
  const { type, mode, major, minor } = device
  return { ...entry, uid, gid, type, mode, rdevMajor: major, rdevMinor: minor }
}

const noXattrs: ReadonlyMap<string, Uint8Array> = new Map()

function metadataOf(entry: TreeEntry, options: WriteLayerOptions): TarEntry {
  const { path, type, mode, uid, gid } = entry
  if (type === 'socket') throw new TypeError('bug in slipway: a socket in a layer')
  const isDevice = type === 'char' || type === 'block'
  return {
    path,
    type,
    mode,
    uid,
    gid,
    size: type === 'file' ? entry.size : 0,
    mtimeNs: clamp(entry.mtimeNs, options),
    ...(type === 'symlink' ? { linkTarget: entry.linkTarget ?? '' } : {}),
    devMajor: isDevice ? entry.rdevMajor : 0,
    devMinor: isDevice ? entry.rdevMinor : 0,
    xattrs:
      entry.xattrs === undefined ? noXattrs : new Map(entry.xattrs.filter(([name]) => isWrittenXattr(name))),
  }
}

/** An empty file that says something about its place. It has no time: the same changes always give the same archive. */
function marker(path: string): TarEntry {
  const nobody = { uid: 0, gid: 0, devMajor: 0, devMinor: 0 }
  return { path, type: 'file', mode: 0, size: 0, mtimeNs: 0n, xattrs: noXattrs, ...nobody }
}

function clamp(mtimeNs: bigint, { latestMtimeNs }: WriteLayerOptions): bigint {
  return latestMtimeNs !== undefined && mtimeNs > latestMtimeNs ? latestMtimeNs : mtimeNs
}

function isWhiteout(entry: TreeEntry): boolean {
  return entry.type === 'char' && entry.rdevMajor === 0 && entry.rdevMinor === 0
}

/** Whether `path` is a directory of this one layer; links on the way lead nowhere. */
function hasDirectory(layer: string, path: string): boolean {
  let at = bytesOf(layer)
  return path.split('/').every((part) => {
    at = `${at}/${part}`
    return lstatSync(fsPath(at), { throwIfNoEntry: false })?.isDirectory() === true
  })
}

function reservedName(path: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_LAYER_NAME_RESERVED',
    message: `write layer: ${quoted(`/${path}`)} cannot be stored, names beginning with .wh. mark deleted files in layers`,
    hint: 'remove or rename it in the step that creates it',
  })
}
