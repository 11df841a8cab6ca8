// The local content store: an OCI image layout directory that other tools can read as it is
// (`skopeo inspect oci:<directory>:<full reference>`), shared by concurrent processes without a daemon.
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { makeDirectories } from '../sys/make-directories.ts'
import type { Native } from '../sys/native.ts'
import { fsyncDirectory } from '../sys/sync.ts'
import { abortable } from './abortable.ts'
import { refuseLarge } from './collect.ts'
import { quarantine } from './damaged.ts'
import { gatherSmall } from './gather-small.ts'
import { nameOf, toNamedImage, withEntry, withName, withoutDigest, withoutName } from './index-entries.ts'
import { readIndex, updateIndex } from './index-file.ts'
import { type Body, ingest } from './ingest.ts'
import { type LayoutPaths, layoutPaths } from './layout-paths.ts'
import { blobPart, type Pin } from './leases.ts'
import { withLock } from './locks.ts'
import { checkMarker, markerText } from './marker.ts'
import { addOrigin, readOrigins } from './origins.ts'
import { replaceFile } from './replace-file.ts'
import { sharedSync } from './shared-sync.ts'
import { onDisk, storageFailure } from './storage-failure.ts'
import { sweepIngest, sweepLocks } from './sweep.ts'
import type { ContentStore } from './types.ts'
import { type Expected, verifier } from './verifier.ts'

const readBytes = 1 << 20
const smallBytes = 32 << 10

export interface StoreOptions {
  /** Hears of each blob before it is looked for or gets its name; absent: nobody removes any meanwhile. */
  readonly pin?: Pin
  /** Nothing is written but by the methods that write: for stores on read-only or full disks. */
  readonly readOnly?: boolean
}

/**
 * The store in `directory`, made (mode 0700) when it does not exist; temporary files of dead writers are removed.
 * Methods need no `this`.
 */
export async function openContentStore(
  directory: string,
  native: Native,
  { pin: pinParts, readOnly = false }: StoreOptions = {},
): Promise<ContentStore> {
  const paths = layoutPaths(directory)
  await onDisk('open store', directory, () => prepare(paths, native, readOnly))
  if (!readOnly) {
    await sweepIngest(paths, native)
    await sweepLocks(paths, native)
  }

  // Before anybody is told that a blob is there.
  const pin = (digest: Digest): void => pinParts?.([blobPart(digest)])
  // A blob cut short counts as missing: it will be fetched again and replaced.
  const has = async (descriptor: Descriptor): Promise<boolean> => {
    pin(descriptor.digest)
    return sizeOf(paths.blob(descriptor.digest)) === descriptor.size
  }
  const openBlob: ContentStore['open'] = async (descriptor, options) => {
    pin(descriptor.digest)
    return await openVerified(paths, descriptor, options?.signal)
  }
  const update = (change: Parameters<typeof updateIndex>[2]): Promise<void> =>
    updateIndex(paths, native, change)
  const syncNames = sharedSync(() => fsyncDirectory(paths.blobs))
  const requireBlob = async (descriptor: Descriptor): Promise<void> => {
    if (!(await has(descriptor))) throw missing(descriptor)
  }

  const store = (expected: Expected, body: Body, signal?: AbortSignal) =>
    withLock(native, { path: paths.ingestLock, shared: true }, () =>
      ingest(paths, expected, body, { syncNames, signal, pin }),
    )

  return {
    has,
    open: openBlob,
    async read(descriptor, limitBytes) {
      refuseLarge(descriptor, limitBytes)
      pin(descriptor.digest)
      return await readVerified(paths, descriptor)
    },
    async put(expected, body, options = {}) {
      const there = body instanceof Uint8Array ? alreadyThere(paths, expected, body, pin) : undefined
      if (there !== undefined) return { mediaType: expected.mediaType, ...there }
      return { mediaType: expected.mediaType, ...(await store(expected, body, options.signal)) }
    },
    async putPieces(mediaType, pieces, signal) {
      // Many steps leave next to nothing, and some the same nothing.
      const gathered = await gatherSmall(pieces, smallBytes)
      if ('pieces' in gathered) return { mediaType, ...(await store({}, gathered, signal)) }
      const { whole } = gathered
      return {
        mediaType,
        ...(alreadyThere(paths, {}, whole, pin) ?? (await store({}, whole, signal))),
      }
    },
    async tag(name, descriptor) {
      await requireBlob(descriptor)
      await update((entries) => withName(entries, name, descriptor))
    },
    async keep(descriptor) {
      await requireBlob(descriptor)
      await update((entries) => withEntry(entries, descriptor))
    },
    async resolve(name) {
      const entry = (await readIndex(paths)).find((e) => nameOf(e) === name)
      return entry && toNamedImage(entry).descriptor
    },
    async list() {
      return (await readIndex(paths)).map(toNamedImage)
    },
    async untag(name) {
      let found = false
      await update((entries) => {
        found = entries.some((e) => nameOf(e) === name)
        return found ? withoutName(entries, name) : entries
      })
      return found
    },
    async forget(digest) {
      let found = false
      await update((entries) => {
        found = entries.some((e) => e.digest === digest)
        return found ? withoutDigest(entries, digest) : entries
      })
      return found
    },
    path: paths.blob,
    async sizeOf(digest) {
      pin(digest)
      return sizeOf(paths.blob(digest))
    },
    exclusive: (digest, signal, body) =>
      withLock(native, { path: paths.blobLock(digest), remove: true, signal }, body),
    origins: (digest) => readOrigins(paths, digest),
    addOrigin: (digest, repository) => addOrigin(paths, native, { digest, repository }),
  }
}

async function prepare(paths: LayoutPaths, native: Native, readOnly: boolean): Promise<void> {
  if (!(await checkMarker(paths))) return await create(paths, native)
  if (readOnly) return
  try {
    accessSync(paths.ingest, constants.W_OK)
    accessSync(paths.blobs, constants.W_OK)
  } catch (thrown) {
    // Tools that copy layouts leave empty directories out.
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
    await create(paths, native)
  }
}

async function create(paths: LayoutPaths, native: Native): Promise<void> {
  makeDirectories(paths.root, 0o700)
  for (const directory of [
    paths.blobs,
    paths.ingest,
    paths.damaged,
    paths.origins,
    paths.locks,
    paths.leases,
  ]) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  }
  // A new array, so that the file is written; entries of another process that creates at the same time stay.
  await updateIndex(paths, native, (entries) => [...entries])
  // Last, so that a marker means a complete layout.
  await withLock(native, { path: paths.ingestLock, shared: true }, () =>
    replaceFile(paths.marker, markerText, paths.ingest),
  )
}

// Like all small looks here on this thread: a trip to libuv's pool costs ten times what they do.
function sizeOf(path: string): number | undefined {
  try {
    const found = statSync(path)
    return found.isFile() ? found.size : undefined
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw storageFailure('look for blob', path, thrown)
  }
}

/** Identity of these bytes if a blob holds exactly them: a build that changes nothing stores nothing. */
function alreadyThere(
  paths: LayoutPaths,
  expected: Expected,
  body: Uint8Array,
  pin: (digest: Digest) => void,
): { readonly digest: Digest; readonly size: number } | undefined {
  const check = verifier('store blob', expected)
  check.update(body)
  const digest = check.finish()
  pin(digest)
  const path = paths.blob(digest)
  if (sizeOf(path) !== body.byteLength) return undefined
  try {
    return readFileSync(path).equals(body) ? { digest, size: body.byteLength } : undefined
  } catch {
    // What cannot be read is written once more; that says what is wrong with the place.
    return undefined
  }
}

async function openFile(path: string, descriptor: Descriptor): Promise<FileHandle> {
  return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((thrown: unknown) => {
    throw errnoOf(thrown) === 'ENOENT' ? missing(descriptor) : storageFailure('open blob', path, thrown)
  })
}

async function readVerified(paths: LayoutPaths, descriptor: Descriptor): Promise<Buffer> {
  const path = paths.blob(descriptor.digest)
  const handle = await openFile(path, descriptor)
  const bytes = Buffer.allocUnsafeSlow(descriptor.size + 1)
  let length = 0
  try {
    // One byte more than there should be: a file that is too long must not pass for its beginning.
    for (let count = -1; count !== 0 && length < bytes.length; length += count) {
      count = (await handle.read(bytes, length, bytes.length - length)).bytesRead
    }
  } catch (thrown) {
    throw storageFailure('read blob', path, thrown)
  } finally {
    await handle.close()
  }
  const check = verifier(`read blob ${path}`, descriptor)
  try {
    check.update(bytes.subarray(0, length))
    check.finish()
  } catch (thrown) {
    throw thrown instanceof SlipwayError ? await quarantine(paths, descriptor, thrown) : thrown
  }
  return bytes.subarray(0, length)
}

async function openVerified(
  paths: LayoutPaths,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Readable> {
  const path = paths.blob(descriptor.digest)
  signal?.throwIfAborted()
  const handle = await openFile(path, descriptor)
  const source = handle.createReadStream({ highWaterMark: readBytes })
  const check = verifier(`read blob ${path}`, descriptor)
  async function* verified(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of source) {
        check.update(chunk as Buffer)
        yield chunk as Buffer
      }
      check.finish()
    } catch (thrown) {
      if (!(thrown instanceof SlipwayError)) throw storageFailure('read blob', path, thrown)
      throw await quarantine(paths, descriptor, thrown)
    }
  }
  const stream = Readable.from(verified(), { objectMode: false, highWaterMark: readBytes })
  stream.once('close', () => source.destroy())
  return abortable(stream, signal)
}

function missing(descriptor: Descriptor): SlipwayError {
  return new SlipwayError({
    code: 'ERR_BLOB_MISSING',
    message: `read blob ${descriptor.digest}: it is not in the local store`,
    hint: 'pull or build the image again',
    data: { digest: descriptor.digest },
  })
}
