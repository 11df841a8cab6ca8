// The snapshots and blobs that are there, with their sizes. A snapshot does not change once it has its name, so what was
// measured once stands beside it.
import { lstatSync, readdirSync, readFileSync, type Stats, writeFileSync } from 'node:fs'
import { digestOfHex } from '../core/digest.ts'
import { errnoOf } from '../core/error.ts'
import { limit } from '../core/limit.ts'
import { layoutPaths } from '../store/layout-paths.ts'
import { blobPart, type Part, snapshotPart } from '../store/leases.ts'
import { storageFailure } from '../store/storage-failure.ts'
import type { DiskHost, Look, Size, StoredPart } from './types.ts'

/** All parts of a state directory. */
export async function storedParts(host: DiskHost, { signal }: Look): Promise<ReadonlyMap<Part, StoredPart>> {
  const parts = new Map<Part, StoredPart>()
  const { blobs } = layoutPaths(host.directory)
  for (const name of namesIn(blobs)) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue
    const path = `${blobs}/${name}`
    const found = lookAt(path)
    if (found === undefined) continue
    const part = blobPart(digestOfHex(name))
    parts.set(part, { part, path, size: sizeOfFile(found), modifiedMs: found.mtimeMs })
  }
  const slots = limit(2)
  const ids = namesIn(`${host.directory}/snapshots`).filter((name) => /^[A-Za-z0-9]{1,128}$/.test(name))
  const measured = await Promise.all(
    ids.map((id) =>
      slots(async () => {
        signal.throwIfAborted()
        return await storedSnapshot(host, id)
      }),
    ),
  )
  for (const found of measured) if (found !== undefined) parts.set(found.part, found)
  return parts
}

async function storedSnapshot(host: DiskHost, id: string): Promise<StoredPart | undefined> {
  const path = `${host.directory}/snapshots/${id}`
  const found = lookAt(path)
  if (found === undefined) return undefined
  const size = rememberedSize(path) ?? (await measure(host, path))
  return size && { part: snapshotPart(id), path, size, modifiedMs: found.mtimeMs }
}

const sizeName = 'size'

function rememberedSize(directory: string): Size | undefined {
  if (lookAt(`${directory}/${sizeName}`) === undefined) return undefined
  // Of a torn write nothing fits.
  const [, bytes, inodes] = /^(\d+) (\d+)\n$/.exec(readIfThere(`${directory}/${sizeName}`) ?? '') ?? []
  return bytes === undefined ? undefined : { bytes: Number(bytes), inodes: Number(inodes) }
}

async function measure(host: DiskHost, path: string): Promise<Size | undefined> {
  const size = await measureTree(host, path)
  if (size === undefined || host.readOnly) return size
  try {
    writeFileSync(`${path}/${sizeName}`, `${size.bytes} ${size.inodes}\n`, { mode: 0o600 })
  } catch (thrown) {
    // It is measured again the next time.
    if (errnoOf(thrown) === undefined) throw thrown
  }
  return size
}

/** What is at `path` with all below; undefined when there is nothing. */
export async function measureTree({ native }: DiskHost, path: string): Promise<Size | undefined> {
  try {
    return await native.addon().measureTree(Buffer.from(path))
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw storageFailure('measure', path, thrown)
  }
}

/** What a file takes. */
export function sizeOfFile({ blocks }: Stats): Size {
  return { bytes: blocks * 512, inodes: 1 }
}

/** The names in a directory; none when there is no directory. */
export function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' || errnoOf(thrown) === 'ENOTDIR') return []
    throw storageFailure('list', path, thrown)
  }
}

/** The path's own state, links not followed; undefined when there is nothing. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOTDIR') return undefined
    throw storageFailure('look at', path, thrown)
  }
}

/** A file's text; undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' || errnoOf(thrown) === 'EISDIR') return undefined
    throw storageFailure('read', path, thrown)
  }
}
