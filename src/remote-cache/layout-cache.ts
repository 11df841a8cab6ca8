// A cache in an OCI layout directory. What nothing in its index.json names any more is removed when a cache is written,
// so that the directory does not grow for ever.
import { readdir, rm, stat } from 'node:fs/promises'
import { cacheConfigType, encodeCacheConfig } from '../buildkit/cache-config.ts'
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { type Digest, hexOf } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { isDocumentType, maxManifestBytes, mediaType } from '../core/media-type.ts'
import { writeFailure, writeFileWhole } from '../export/destination.ts'
import { type Encoded, encoded, encodeIndex } from '../image/encode.ts'
import { parseDocument, parseIndex } from '../image/parse.ts'
import { childrenOf } from '../store/children.ts'
import { readSmall } from '../store/collect.ts'
import { type ForeignLayout, openForeignLayout } from '../store/foreign-layout.ts'
import { withLock } from '../store/locks.ts'
import { makeDirectories } from '../sys/make-directories.ts'
import type { Native } from '../sys/native.ts'
import { checkLayoutFiles } from './layout-files.ts'
import { listedLayers } from './listed-layers.ts'
import { loadCaches } from './load.ts'
import { encodeCacheManifest, type ManifestForm } from './manifest.ts'
import { encodeMountsManifest, mountsTag, readMountsManifest } from './mounts-manifest.ts'
import type { CacheImporter, CacheSink } from './types.ts'

export interface LayoutSource {
  readonly directory: string
  /** Which cache; the tag counts when there is no digest. */
  readonly tag: string
  readonly digest?: Digest
}

const tagKey = 'org.opencontainers.image.ref.name'

/** The cache in a directory; none when the directory, its index or the tag is not there. */
export function layoutImporter({ directory, tag, digest }: LayoutSource): CacheImporter {
  return {
    name: `local ${directory}${digest === undefined ? `:${tag}` : `@${digest}`}`,
    async load({ signal }) {
      const layout = openForeignLayout(directory)
      const found = digest ?? (await taggedIn(directory, tag))
      const size = found === undefined ? undefined : await layout.sizeOf(found)
      if (found === undefined || size === undefined) return []
      const unknown = { mediaType: mediaType.ociManifest, digest: found, size }
      const bytes = await readSmall(layout, unknown, { limitBytes: maxManifestBytes, signal })
      const descriptor = { ...unknown, mediaType: parseDocument(bytes).mediaType }
      return loadCaches({ descriptor, bytes }, { source: `local:${directory}`, reader: layout, signal })
    },
    async loadMounts({ signal }) {
      const layout = openForeignLayout(directory)
      const found = digest === undefined ? await taggedIn(directory, mountsTag(tag)) : undefined
      const size = found === undefined ? undefined : await layout.sizeOf(found)
      if (found === undefined || size === undefined) return undefined
      const descriptor = { mediaType: mediaType.ociManifest, digest: found, size }
      const bytes = await readSmall(layout, descriptor, { limitBytes: maxManifestBytes, signal })
      const archive = readMountsManifest(bytes, mediaType.ociManifest)
      return archive && { archive, reader: layout }
    },
  }
}

async function taggedIn(directory: string, tag: string): Promise<Digest | undefined> {
  return (await entriesOf(directory)).find(({ annotations }) => annotations?.[tagKey] === tag)?.digest
}

/** The entries of a layout's index.json; none when there is no layout. */
async function entriesOf(directory: string): Promise<readonly Descriptor[]> {
  try {
    await stat(`${directory}/index.json`)
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return []
    throw writeFailure(directory, thrown)
  }
  return parseIndex(await openForeignLayout(directory).readIndex(), mediaType.ociIndex).manifests
}

export interface LayoutSinkOptions {
  readonly native: Native
  readonly form: ManifestForm
  readonly tag: string
  /** Takes everything else out of the directory. */
  readonly reset: boolean
}

/** Writes a cache into a directory, which is made when missing. */
export function layoutSink(directory: string, { native, form, tag, reset }: LayoutSinkOptions): CacheSink {
  const layout = openForeignLayout(directory)
  const pathOf = (digest: Digest): string => `${directory}/blobs/sha256/${hexOf(digest)}`
  let isMade: Promise<unknown> | undefined
  const make = async (): Promise<void> => {
    isMade ??= checkLayoutFiles(directory).then(() => makeDirectories(`${directory}/blobs/sha256`))
    await isMade.catch((thrown: unknown) => {
      throw writeFailure(directory, thrown)
    })
  }
  const put = async (descriptor: Descriptor, bytes: Buffer, { signal }: Context): Promise<void> => {
    if (!(await layout.has(descriptor))) await writeFileWhole(pathOf(descriptor.digest), one(bytes), signal)
  }
  // Two builds that write here at once would each drop the other's entry, or remove its blobs.
  const enter = ({ tag: name, manifest, parts, needed, reset: isAlone }: NewEntry, cx: Context) =>
    withLock(native, { path: `${directory}/.slipway-lock`, signal: cx.signal }, async () => {
      for (const { descriptor, bytes } of [...parts, manifest]) await put(descriptor, bytes, cx)
      // One that another build took for rubbish when its entry was not there yet.
      const there = await Promise.all(needed.map((descriptor) => layout.has(descriptor)))
      if (there.includes(false)) throw lost(directory)
      const entry = { ...manifest.descriptor, annotations: { [tagKey]: name } }
      const known = isAlone ? [] : await entriesOf(directory)
      const others = known.filter(({ annotations }) => annotations?.[tagKey] !== name)
      const old = await reachedFrom(layout, known)
      await writeFileWhole(`${directory}/oci-layout`, one(Buffer.from(layoutFile)), cx.signal)
      const manifests = [...others, entry]
      const index = encodeIndex({ schemaVersion: 2, mediaType: mediaType.ociIndex, manifests })
      await writeFileWhole(`${directory}/index.json`, one(index.bytes), cx.signal)
      await removeUnnamed(directory, old, await reachedFrom(layout, manifests))
    })
  return {
    name: `local ${directory}:${tag}`,
    async putLayer({ descriptor }, from, { signal }) {
      await make()
      if (await layout.has(descriptor)) return
      await writeFileWhole(pathOf(descriptor.digest), await from.open(descriptor, { signal }), signal)
    },
    async publish(config, layers, cx) {
      await make()
      const listed = listedLayers(config, layers)
      const configBlob = encoded(cacheConfigType, Buffer.from(encodeCacheConfig(config)))
      const manifest = encodeCacheManifest(configBlob.descriptor, listed, form)
      await enter(
        { tag, manifest, parts: [configBlob], needed: listed.map(({ descriptor }) => descriptor), reset },
        cx,
      )
    },
    async putMounts(archive, from, cx) {
      await make()
      if (!(await layout.has(archive))) {
        await writeFileWhole(
          pathOf(archive.digest),
          await from.open(archive, { signal: cx.signal }),
          cx.signal,
        )
      }
      const { manifest, config } = encodeMountsManifest(archive)
      await enter({ tag: mountsTag(tag), manifest, parts: [config], needed: [archive], reset: false }, cx)
    },
  }
}

/** What a tag is to mean, beside blobs that are there already. */
interface NewEntry {
  readonly tag: string
  readonly manifest: Encoded
  readonly parts: readonly Encoded[]
  readonly needed: readonly Descriptor[]
  readonly reset: boolean
}

const layoutFile = '{"imageLayoutVersion":"1.0.0"}'

function lost(directory: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_CACHE_CHANGED',
    message: `write cache ${directory}: layers were removed meanwhile`,
    hint: 'nothing else should clean this directory',
  })
}

/** The hex digests of all that entries need. */
async function reachedFrom(
  layout: ForeignLayout,
  entries: readonly Descriptor[],
): Promise<ReadonlySet<string>> {
  const reached = new Set<string>()
  const waiting = [...entries]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (reached.has(hexOf(next.digest))) continue
    reached.add(hexOf(next.digest))
    if (!isDocumentType(next.mediaType) || !(await layout.has(next))) continue
    waiting.push(...childrenOf(next, await readSmall(layout, next, { limitBytes: maxManifestBytes })))
  }
  return reached
}

/** Removes the blobs that are not needed any more, but of those that no entry named those written a moment ago: another build may be about to name them. */
async function removeUnnamed(
  directory: string,
  old: ReadonlySet<string>,
  needed: ReadonlySet<string>,
): Promise<void> {
  const blobs = `${directory}/blobs/sha256`
  const newest = (await stat(`${directory}/index.json`)).mtimeMs
  for (const name of await readdir(blobs)) {
    if (needed.has(name) || !/^[0-9a-f]{64}$/.test(name)) continue
    const { mtimeMs } = await stat(`${blobs}/${name}`)
    if (old.has(name) || newest - mtimeMs > graceMs) await rm(`${blobs}/${name}`, { force: true })
  }
}

/** Longer than between the first layer of a build and its cache's entry in the index, as a rule. */
const graceMs = 3_600_000

async function* one(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
