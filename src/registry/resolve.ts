// From a reference to one image: the manifest for a platform and its config, both in the local store afterwards.
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { isIndexType, maxIndexDepth, maxManifestBytes, mediaType } from '../core/media-type.ts'
import { normalisePlatform, type Platform } from '../core/platform.ts'
import { formatReference, type ImageRef } from '../core/reference.ts'
import { maxConfigBytes, parseConfig, parseDocument, parseIndex, parseManifest } from '../image/parse.ts'
import type { ImageConfig, Manifest } from '../image/types.ts'
import { readSmall } from '../store/collect.ts'
import type { ContentStore } from '../store/types.ts'
import { choosePlatform } from './choose-platform.ts'
import type { ImageSource } from './types.ts'

export interface ImageRequest {
  readonly ref: ImageRef
  readonly platform: Platform
  /** Manifests and configs found here are not fetched; fetched ones are put here. */
  readonly store: ContentStore
}

export interface ResolvedImage {
  /** The full reference that was asked for. */
  readonly name: string
  /** Of the manifest of one platform. */
  readonly descriptor: Descriptor
  readonly manifest: Manifest
  readonly config: ImageConfig
  /** What the config says; it may be another than the wanted one when the image exists for one platform only. */
  readonly platform: Platform
  /** What the reference meant, where that is an index. */
  readonly index?: Descriptor
}

/**
 * What `ref` is now for a platform. A reference with a digest that is in the store needs no network; a tag costs one
 * HEAD when its manifest is known. Throws ERR_PLATFORM_MISSING, ERR_REGISTRY_*.
 */
export async function resolveImage(
  registry: { repository(ref: ImageRef): ImageSource },
  request: ImageRequest,
  cx: Pick<Context, 'signal'>,
): Promise<ResolvedImage> {
  const { ref, platform, store } = request
  const name = formatReference(ref)
  const repository = registry.repository(ref)
  const documents = openDocuments(repository, store, cx.signal)
  let current = await documents.find(ref)
  const root = current.descriptor
  for (let depth = 0; isIndexType(current.descriptor.mediaType); depth++) {
    if (depth >= maxIndexDepth) {
      throw new SlipwayError({
        code: 'ERR_MANIFEST_INVALID',
        message: `resolve ${name}: more than ${maxIndexDepth} indexes inside each other`,
      })
    }
    const entry = choosePlatform(parseIndex(current.bytes, current.descriptor.mediaType), platform, name)
    current = { descriptor: entry, bytes: await documents.read(entry, maxManifestBytes) }
  }
  const manifest = parseManifest(current.bytes, current.descriptor.mediaType)
  const config = parseConfig(await documents.read(manifest.config, maxConfigBytes))
  const origin = repository.name
  if (documents.hasFetched() && origin !== undefined) {
    // A push can then mount or fetch layers that no step has needed here (see push.ts).
    await Promise.all(manifest.layers.map((layer) => store.addOrigin(layer.digest, origin)))
  }
  const { os, architecture, variant } = config
  const found = normalisePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })
  return {
    name,
    descriptor: { ...withoutUrls(current.descriptor), platform: found },
    manifest,
    config,
    platform: found,
    ...(root.digest === current.descriptor.digest ? {} : { index: root }),
  }
}

interface Found {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
}

interface Documents {
  find(ref: ImageRef): Promise<Found>
  read(descriptor: Descriptor, limitBytes: number): Promise<Buffer>
  /** Whether anything came from the repository. */
  hasFetched(): boolean
}

/** Small contents of a repository, kept in the store: read there first, and put there when they were fetched. */
function openDocuments(repository: ImageSource, store: ContentStore, signal: AbortSignal): Documents {
  let hasFetched = false
  const readStored = async (descriptor: Descriptor, limitBytes: number): Promise<Buffer | undefined> => {
    if (!(await store.has(descriptor))) return undefined
    try {
      return await store.read(descriptor, limitBytes)
    } catch (thrown) {
      // The store has put the damaged file aside; what it should be is fetched again.
      if (thrown instanceof SlipwayError && thrown.code === 'ERR_DIGEST_MISMATCH') return undefined
      throw thrown
    }
  }
  /** The document with this digest; its own text says what it is. */
  const findStored = async (digest: Digest): Promise<Found | undefined> => {
    const size = await store.sizeOf(digest)
    if (size === undefined) return undefined
    const bytes = await readStored({ mediaType: mediaType.ociManifest, digest, size }, maxManifestBytes)
    return bytes && { descriptor: { mediaType: parseDocument(bytes).mediaType, digest, size }, bytes }
  }
  const read = async (descriptor: Descriptor, limitBytes: number): Promise<Buffer> => {
    const stored = await readStored(descriptor, limitBytes)
    if (stored !== undefined) return stored
    const bytes = await readSmall(repository, descriptor, { limitBytes, signal })
    hasFetched = true
    await store.put(descriptor, bytes, { signal })
    return bytes
  }
  return {
    read,
    hasFetched: () => hasFetched,
    async find(ref) {
      const known = ref.digest === undefined ? undefined : await findStored(ref.digest)
      if (known !== undefined) return known
      const reference = ref.digest ?? ref.tag ?? 'latest'
      const described = ref.digest === undefined ? await repository.head(reference, { signal }) : undefined
      const stored = described && (await readStored(described, maxManifestBytes))
      if (described !== undefined && stored !== undefined) return { descriptor: described, bytes: stored }
      const fetched = await repository.resolve(reference, { signal })
      hasFetched = true
      await store.put(fetched.descriptor, fetched.bytes, { signal })
      return fetched
    },
  }
}

function withoutUrls(descriptor: Descriptor): Descriptor {
  const { mediaType, digest, size } = descriptor
  return { mediaType, digest, size }
}
