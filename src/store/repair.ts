// What can be done about what `verifyStore` finds: what is damaged goes out of the way, so that the next build or pull makes
// it again. Nothing is repaired by guessing.
import { randomBytes } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { mkdir, readdir, readFile, rename } from 'node:fs/promises'
import type { Descriptor } from '../core/descriptor.ts'
import { type Digest, digestOf, digestOfHex } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { maxManifestBytes, mediaType } from '../core/media-type.ts'
import type { Native } from '../sys/native.ts'
import { childrenOf } from './children.ts'
import { digestOfFile, soundSize } from './damaged.ts'
import { nameOf, withoutDigest } from './index-entries.ts'
import { replaceDamagedIndex, updateIndex } from './index-file.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { markerText } from './marker.ts'
import { replaceFile } from './replace-file.ts'
import { onDisk, storageFailure } from './storage-failure.ts'
import { sweepIngest } from './sweep.ts'
import type { StoreProblem } from './verify.ts'

/** What was done about a problem, in one line; undefined when it is not there any more. */
export async function repairProblem(
  paths: LayoutPaths,
  native: Native,
  problem: StoreProblem,
): Promise<string | undefined> {
  switch (problem.kind) {
    case 'layout':
      await writeMarker(paths)
      return 'written anew'
    case 'index': {
      const entries = await findImages(paths)
      if (!(await replaceDamagedIndex(paths, native, entries))) return undefined
      return `made anew with ${entries.length} images; their names are lost`
    }
    case 'blob':
      return await moveAside(paths, problem)
    case 'leftover':
      await sweepIngest(paths, native)
      return 'removed'
    case 'missing':
      // Somebody may have built or pulled it again meanwhile.
      if (problem.digest !== undefined && (await soundSize(paths, problem.digest)) !== undefined)
        return undefined
      return await dropImage(paths, native, problem.image)
    case 'manifest':
      return await dropImage(paths, native, problem.image)
  }
}

/** Says anew that a directory is a store: for one whose marker is missing or damaged. */
export async function writeMarker(paths: LayoutPaths): Promise<void> {
  await onDisk('write', paths.marker, async () => {
    // Where the next start sweeps up what a kill leaves. None runs now: a store without a sound marker opens for nobody.
    await mkdir(paths.ingest, { recursive: true, mode: 0o700 })
    await replaceFile(paths.marker, markerText, paths.ingest)
  })
}

async function moveAside(paths: LayoutPaths, { path, digest }: StoreProblem): Promise<string | undefined> {
  if (path === undefined) return undefined
  const name = path.slice(path.lastIndexOf('/') + 1)
  const aside = `${paths.damaged}/${name.slice(0, 100)}-${randomBytes(4).toString('hex')}`
  try {
    // Somebody may have stored it anew meanwhile.
    if (digest !== undefined && (await digestOfFile(path).catch(unreadable)) === digest) return undefined
    await rename(path, aside)
    return `moved to ${aside}`
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw storageFailure('move', path, thrown)
  }
}

/** A blob that the disk does not give is as bad as one that is wrong. */
function unreadable(thrown: unknown): undefined {
  if (errnoOf(thrown) === 'ENOENT') throw thrown
}

async function dropImage(
  paths: LayoutPaths,
  native: Native,
  image: Digest | undefined,
): Promise<string | undefined> {
  if (image === undefined) return undefined
  const names: string[] = []
  let isThere = false
  await updateIndex(paths, native, (entries) => {
    const dropped = entries.filter(({ digest }) => digest === image)
    isThere = dropped.length > 0
    names.push(...dropped.flatMap((entry) => nameOf(entry) ?? []))
    return isThere ? withoutDigest(entries, image) : entries
  })
  if (!isThere) return undefined
  return `removed the image${names.length === 0 ? '' : ` ${names.join(', ')}`}: pull or build it again`
}

/** The images whose parts are all there, but for those that belong to another. */
async function findImages(paths: LayoutPaths): Promise<readonly Descriptor[]> {
  const found = new Map<Digest, Descriptor>()
  const below = new Set<Digest>()
  for (const name of await onDisk('list', paths.blobs, () => readdir(paths.blobs))) {
    const digest = /^[0-9a-f]{64}$/.test(name) ? digestOfHex(name) : undefined
    if (digest === undefined) continue
    const size = sizeOf(paths, digest)
    if (size < 0 || size > maxManifestBytes) continue
    const bytes = await onDisk('read', paths.blob(digest), () => readFile(paths.blob(digest)))
    const type = digestOf(bytes) === digest ? documentType(bytes) : undefined
    if (type === undefined) continue
    const descriptor = { mediaType: type, digest, size: bytes.length }
    const children = childrenIn(descriptor, bytes)
    // Those that are damaged are no longer there: blobs are looked at before the index is.
    if (children?.every((child) => sizeOf(paths, child.digest) === child.size) !== true) continue
    found.set(digest, descriptor)
    for (const child of children) below.add(child.digest)
  }
  return [...found.values()].filter(({ digest }) => !below.has(digest))
}

function sizeOf(paths: LayoutPaths, digest: Digest): number {
  const found = lstatSync(paths.blob(digest), { throwIfNoEntry: false })
  return found?.isFile() ? found.size : -1
}

function childrenIn(descriptor: Descriptor, bytes: Uint8Array): readonly Descriptor[] | undefined {
  try {
    return childrenOf(descriptor, bytes)
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return undefined
    throw thrown
  }
}

/** What a document says it is, or looks like. */
function documentType(bytes: Buffer): string | undefined {
  // 123 is `{`: of a layer nothing else is looked at.
  if (bytes[0] !== 123) return undefined
  try {
    const value = JSON.parse(bytes.toString('utf8')) as Readonly<Record<string, unknown>>
    const isIndex = Array.isArray(value.manifests)
    if (!isIndex && !Array.isArray(value.layers)) return undefined
    if (typeof value.mediaType === 'string') return value.mediaType
    return isIndex ? mediaType.ociIndex : mediaType.ociManifest
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}
