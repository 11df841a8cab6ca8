// Caches as a tar archive, to take them from one machine to the next: for each its `<name>/cache.json`, then its files
// below `<name>/fs`. An archive from elsewhere is not trusted: what a cache is called follows from what it says it is,
// and its files are made where the helper lets no name lead out.
import { renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { decompress } from '../compression/decompress.ts'
import { bytesOf, quoted } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { cleanPath, joinPath } from '../core/path.ts'
import { isUnpackedXattr } from '../layer/layer-xattrs.ts'
import type { TarEntry } from '../layer/tar-entry.ts'
import { readTar, type TarMember } from '../layer/tar-read.ts'
import { type TarInput, writeTar } from '../layer/tar-write.ts'
import { unpackOperation } from '../layer/unpack-operation.ts'
import { withLock } from '../store/locks.ts'
import { applyFileOperations, type FileOperation } from '../sys/files.ts'
import { acquireLock, type Lock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import { scanTree, type TreeEntry } from '../sys/scan.ts'
import {
  type CacheInstance,
  type CachesOptions,
  isThere,
  parseIdentity,
  placesOf,
  publish,
} from './caches.ts'
import { type CacheIdentity, cacheName } from './name.ts'

const aboutName = 'cache.json'
const contentName = 'fs'
/** What is in a `cache.json`, at most: ids are words of a Dockerfile. */
const maxAboutBytes = 1 << 20

export interface ArchiveOptions extends CachesOptions {
  readonly signal: AbortSignal
  /** Of an archive, which caches to make; absent: all of them. */
  isWanted?(identity: CacheIdentity): boolean
}

/** The archive of these caches. No step changes one while it is read: each is waited for until nobody uses it. */
export async function* exportCaches(
  caches: readonly CacheInstance[],
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const locks: Lock[] = []
  try {
    yield* writeTar(inputsOf(caches, locks, options), { native: options.native, reusesChunks: true })
  } finally {
    // Not before: what is small is read some time after it was listed.
    for (const lock of locks) await lock[Symbol.asyncDispose]()
  }
}

async function* inputsOf(
  caches: readonly CacheInstance[],
  locks: Lock[],
  { root, native, signal }: ArchiveOptions,
): AsyncGenerator<TarInput, void, undefined> {
  // In the order in which steps wait for theirs.
  for (const { name, instance, identity, directory } of [...caches].sort(byName)) {
    const body = Buffer.from(`${JSON.stringify({ version: 1, ...identity })}\n`)
    yield { entry: { ...nothing, path: `${name}/${aboutName}`, size: body.length }, body }
    locks.push(await acquireLock(placesOf(root).lock(name, instance), { native, signal }))
    for (const input of filesOf(await scanTree(directory, { native, xattrs: true }), directory, name)) {
      signal.throwIfAborted()
      yield input
    }
  }
}

function byName(a: CacheInstance, b: CacheInstance): number {
  return a.name < b.name ? -1 : 1
}

const nothing = {
  type: 'file',
  mode: 0o600,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeNs: 0n,
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map<string, Uint8Array>(),
} as const

function* filesOf(
  entries: readonly TreeEntry[],
  directory: string,
  name: string,
): Generator<TarInput, void, undefined> {
  const firstNames = new Map<string, string>()
  for (const entry of entries) {
    const isDevice = entry.type === 'char' || entry.type === 'block'
    // No archive holds a socket, nor a step anything that overlayfs would take for a deleted file.
    if (entry.type === 'socket' || (isDevice && entry.rdevMajor === 0 && entry.rdevMinor === 0)) continue
    const path = joinPath(`${name}/${contentName}`, entry.path).replace(/\/$/, '')
    const inode = `${entry.dev}:${entry.ino}`
    const { mode, uid, gid, mtimeNs } = entry
    const metadata: TarEntry = {
      ...nothing,
      path,
      type: entry.type,
      mode,
      uid,
      gid,
      mtimeNs,
      ...(entry.type === 'symlink' ? { linkTarget: entry.linkTarget ?? '' } : {}),
      ...(isDevice ? { devMajor: entry.rdevMajor, devMinor: entry.rdevMinor } : {}),
    }
    const isLinked = entry.nlink > 1 && entry.type !== 'directory'
    const first = isLinked ? firstNames.get(inode) : undefined
    if (first !== undefined) {
      yield { entry: { ...metadata, type: 'hardlink', linkTarget: first } }
      continue
    }
    if (isLinked) firstNames.set(inode, path)
    const xattrs = new Map((entry.xattrs ?? []).filter(([key]) => isUnpackedXattr(key)))
    if (entry.type === 'file') {
      const body = { path: `${bytesOf(directory)}/${entry.path}` }
      yield { entry: { ...metadata, xattrs, size: entry.size }, body }
    } else yield { entry: { ...metadata, xattrs } }
  }
}

/**
 * Makes the caches of an archive (in any compression), each in the place of what was there under its name; what an archive
 * holds before the place at which it fails is made. Returns what was made. Throws ERR_CACHE_ARCHIVE_INVALID, ERR_TAR_*,
 * ERR_DECOMPRESS_*, ERR_FILES_*.
 */
export async function importCaches(
  source: AsyncIterable<Uint8Array>,
  options: ArchiveOptions,
): Promise<readonly CacheIdentity[]> {
  const { native, signal } = options
  const members = readTar(decompress(source, { native, what: 'caches', signal }))
  const made: CacheIdentity[] = []
  try {
    let next = await members.next()
    while (!next.done) {
      const { name, identity } = await readAbout(next.value)
      const taken = { name, members, next: await members.next() }
      if (options.isWanted?.(identity) ?? true) {
        await importOne(identity, taken, options)
        made.push(identity)
      } else await passOver(taken)
      next = taken.next
    }
  } finally {
    await members.return()
  }
  return made
}

interface Taken {
  readonly name: string
  readonly members: AsyncGenerator<TarMember, void, undefined>
  /** The member that is looked at. */
  next: IteratorResult<TarMember, void>
}

/** The name of the cache that the member begins. */
function beginning({ path, type }: TarEntry): string {
  const [, name] = /^([0-9a-f]{64})\/cache\.json$/.exec(cleanPath(path)) ?? []
  if (name === undefined || type !== 'file') throw invalid(`${quoted(path)} is where a cache has to begin`)
  return name
}

async function readAbout(member: TarMember): Promise<{ name: string; identity: CacheIdentity }> {
  const { path, size } = member.entry
  const name = beginning(member.entry)
  if (size > maxAboutBytes) throw invalid(`${quoted(path)} is too large`)
  const identity = parseIdentity((await member.bytes()).toString('utf8'))
  if (identity === undefined || cacheName(identity) !== name) {
    throw invalid(`${quoted(path)} does not say which cache it is`)
  }
  return { name, identity }
}

async function passOver(taken: Taken): Promise<void> {
  const operations = operationsOf(taken)
  while (!(await operations.next()).done);
}

async function importOne(identity: CacheIdentity, taken: Taken, options: ArchiveOptions): Promise<void> {
  const { root, native, snapshotter, signal } = options
  const { name } = taken
  await using active = await snapshotter.prepare([])
  await applyFileOperations({ kind: 'directory', path: active.upper }, operationsOf(taken), {
    native,
    signal,
  })
  const places = placesOf(root)
  await withLock(native, { path: places.lock(name, 0), signal }, async () => {
    const content = places.content(name, 0)
    if (isThere(content)) renameSync(content, `${dirname(active.upper)}/replaced`)
    await publish(root, { name, instance: 0, identity, from: active.upper })
  })
}

/** What makes the files of the cache; ends before the first member that is none of them. */
async function* operationsOf(taken: Taken): AsyncGenerator<FileOperation, void, undefined> {
  const prefix = `${taken.name}/${contentName}`
  const inside = (path: string): string | undefined => {
    const clean = cleanPath(path)
    if (clean === prefix) return ''
    return clean.startsWith(`${prefix}/`) ? clean.slice(prefix.length + 1) : undefined
  }
  for (; !taken.next.done; taken.next = await taken.members.next()) {
    const member = taken.next.value
    const path = inside(member.entry.path)
    if (path === undefined) {
      beginning(member.entry)
      return
    }
    const linkTarget = member.entry.type === 'hardlink' ? inside(member.entry.linkTarget ?? '') : undefined
    if (member.entry.type === 'hardlink' && linkTarget === undefined) {
      throw invalid(
        `the hard link ${quoted(member.entry.path)} leads to ${quoted(member.entry.linkTarget ?? '')}`,
      )
    }
    const operation = await unpackOperation(path, {
      entry: linkTarget === undefined ? member.entry : { ...member.entry, linkTarget },
      bytes: () => member.bytes(),
      chunks: () => member.chunks(),
    })
    if (operation !== undefined) yield operation
  }
}

function invalid(reason: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_CACHE_ARCHIVE_INVALID',
    message: `import caches: ${reason}`,
    hint: 'import what slipway cache export has written',
  })
}

/** Bytes and number of all files of a cache, each counted once whatever names it has. */
export async function sizeOf(
  directory: string,
  native: Native,
): Promise<{ readonly sizeBytes: number; readonly files: number }> {
  const seen = new Map<string, number>()
  for (const { type, dev, ino, size } of await scanTree(directory, { native })) {
    if (type === 'file') seen.set(`${dev}:${ino}`, size)
  }
  let sizeBytes = 0
  for (const size of seen.values()) sizeBytes += size
  return { sizeBytes, files: seen.size }
}
