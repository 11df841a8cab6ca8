// A layout's index.json on disk: read whole, changed only under its lock, replaced atomically.
import { randomBytes } from 'node:crypto'
import { lstatSync, readFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import type { Descriptor } from '../core/descriptor.ts'
import { isDigest } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { mediaType } from '../core/media-type.ts'
import type { Native } from '../sys/native.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { withLock } from './locks.ts'
import { replaceFile } from './replace-file.ts'
import { onDisk, storageFailure } from './storage-failure.ts'

/** The entries of index.json; empty in a store that is only being made. Throws ERR_STORE_DAMAGED. */
export async function readIndex(paths: LayoutPaths): Promise<readonly Descriptor[]> {
  return (await readDocument(paths)).manifests
}

/** Replaces the entries by what `change` makes of them; nobody else changes them meanwhile. */
export async function updateIndex(
  paths: LayoutPaths,
  native: Native,
  change: (entries: readonly Descriptor[]) => readonly Descriptor[],
): Promise<void> {
  await withLock(native, { path: paths.indexLock }, async () => {
    const document = await readDocument(paths)
    const manifests = change(document.manifests)
    if (manifests === document.manifests) return
    const text = `${JSON.stringify({ ...document, manifests })}\n`
    await withLock(native, { path: paths.ingestLock, shared: true }, () =>
      onDisk('write', paths.index, () => replaceFile(paths.index, text, paths.ingest)),
    )
  })
}

/** Puts an index of these entries in the place of one that is gone, or cannot be read and is moved to `damaged`; false when it can be read by now. */
export async function replaceDamagedIndex(
  paths: LayoutPaths,
  native: Native,
  entries: readonly Descriptor[],
): Promise<boolean> {
  return await withLock(native, { path: paths.indexLock }, async () => {
    if (await isReadable(paths)) return false
    const document: IndexDocument = { schemaVersion: 2, mediaType: mediaType.ociIndex, manifests: entries }
    await withLock(native, { path: paths.ingestLock, shared: true }, () =>
      onDisk('write', paths.index, async () => {
        const aside = `${paths.damaged}/index-${randomBytes(4).toString('hex')}.json`
        if (isThere(paths.index)) await rename(paths.index, aside)
        await replaceFile(paths.index, `${JSON.stringify(document)}\n`, paths.ingest)
      }),
    )
    return true
  })
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

async function isReadable(paths: LayoutPaths): Promise<boolean> {
  try {
    await readDocument(paths)
    return true
  } catch (thrown) {
    if (thrown instanceof SlipwayError && thrown.code === 'ERR_STORE_DAMAGED') return false
    throw thrown
  }
}

interface IndexDocument {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly manifests: readonly Descriptor[]
}

async function readDocument(paths: LayoutPaths): Promise<IndexDocument> {
  let text: string
  try {
    text = readFileSync(paths.index, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'EISDIR') throw damaged(paths.index, 'it is a directory', thrown)
    if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('read', paths.index, thrown)
    // Taken for an empty one, the next prune would leave nothing of the images. A store is marked when it has an index.
    if (isThere(paths.marker)) throw damaged(paths.index, 'it does not exist', thrown)
    return { schemaVersion: 2, mediaType: mediaType.ociIndex, manifests: [] }
  }
  return parse(text, paths.index)
}

function damaged(path: string, why: string, cause?: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_STORE_DAMAGED',
    message: `read ${path}: ${why}`,
    hint: 'slipway store verify --repair makes a new one: the names of images are lost, their content is not',
    ...(cause === undefined ? {} : { cause }),
  })
}

function parse(text: string, path: string): IndexDocument {
  let value: Partial<IndexDocument> | null
  try {
    value = JSON.parse(text) as Partial<IndexDocument> | null
  } catch (cause) {
    throw damaged(path, 'it is not JSON', cause)
  }
  if (value?.schemaVersion !== 2 || !Array.isArray(value.manifests))
    throw damaged(path, 'it is not an OCI index')
  for (const entry of value.manifests as readonly (Partial<Descriptor> | null)[]) {
    if (
      !isDigest(entry?.digest) ||
      typeof entry?.mediaType !== 'string' ||
      !Number.isSafeInteger(entry.size)
    ) {
      throw damaged(path, 'one of its entries is not a descriptor')
    }
  }
  return value as IndexDocument
}
