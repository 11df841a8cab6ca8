// Images of the local store by what a person calls them: a name, an ID or its beginning, a digest.

import type { Descriptor } from '../core/descriptor.ts'
import { nearest } from '../core/diagnostic.ts'
import { hexOf, isDigest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { maxManifestBytes } from '../core/media-type.ts'
import { familiarReference, formatReference, type ImageRef, parseReference } from '../core/reference.ts'
import type { StoredImage } from '../image/inspect.ts'
import { maxConfigBytes, parseConfig, parseManifest } from '../image/parse.ts'
import type { ContentStore } from '../store/types.ts'

/** The image whose manifest this is, with every name it has. */
export async function readImage(store: ContentStore, descriptor: Descriptor): Promise<StoredImage> {
  const manifest = parseManifest(await store.read(descriptor, maxManifestBytes), descriptor.mediaType)
  const config = parseConfig(await store.read(manifest.config, maxConfigBytes))
  const names = (await store.list())
    .filter((entry) => entry.descriptor.digest === descriptor.digest)
    .flatMap((entry) => (entry.name === undefined ? [] : [familiarName(entry.name)]))
  return { names, descriptor, manifest, config }
}

/** The reference that `text` is, or undefined when it is none: an ID, or a name that another tool wrote into the store. */
export function referenceIn(text: string): ImageRef | undefined {
  try {
    return parseReference(text)
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return undefined
    throw thrown
  }
}

function familiarName(name: string): string {
  const ref = referenceIn(name)
  return ref === undefined ? name : familiarReference(ref)
}

/** Every image of the store once, in index order. */
export async function allImages(store: ContentStore): Promise<readonly StoredImage[]> {
  const seen = new Map<string, Descriptor>()
  for (const { descriptor } of await store.list()) seen.set(descriptor.digest, descriptor)
  return Promise.all([...seen.values()].map((descriptor) => readImage(store, descriptor)))
}

/** The image that `text` means; of several forms of one image, one with a name. Throws ERR_IMAGE_UNKNOWN, ERR_IMAGE_AMBIGUOUS. */
export async function findImage(store: ContentStore, text: string): Promise<StoredImage> {
  const [first, ...others] = await findForms(store, text)
  return first.names.length > 0 ? first : (others.find((image) => image.names.length > 0) ?? first)
}

/** The image that `text` means in all its forms: an ID is the config's, which a plain and a compressed image share. */
export async function findForms(
  store: ContentStore,
  text: string,
): Promise<readonly [StoredImage, ...StoredImage[]]> {
  const byName = await resolveName(store, text)
  if (byName !== undefined) return [await readImage(store, byName)]
  const images = await allImages(store)
  const hex = isDigest(text) ? hexOf(text) : text.replace(/^sha256:/, '')
  if (/^[0-9a-f]{2,64}$/.test(hex)) {
    const found = images.filter((image) =>
      [image.manifest.config.digest, image.descriptor.digest].some((digest) => hexOf(digest).startsWith(hex)),
    )
    const [first, ...others] = found
    const ids = new Set(found.map((image) => image.manifest.config.digest))
    if (first !== undefined && ids.size === 1) return [first, ...others]
    if (found.length > 1) {
      throw new SlipwayError({
        code: 'ERR_IMAGE_AMBIGUOUS',
        message: `image ${JSON.stringify(text)}: the IDs of ${ids.size} images begin with it`,
        hint: 'give more digits of the ID',
      })
    }
  }
  const near = nearest(
    text,
    images.flatMap((image) => image.names),
  )
  throw new SlipwayError({
    code: 'ERR_IMAGE_UNKNOWN',
    message: `image ${JSON.stringify(text)}: not in the local store`,
    hint: near === undefined ? 'slipway images lists what is there' : `did you mean ${near}?`,
  })
}

async function resolveName(store: ContentStore, text: string): Promise<Descriptor | undefined> {
  let name: string
  try {
    name = formatReference(parseReference(text))
  } catch (thrown) {
    // An ID such as `sha256:12ab` is no reference; what is neither is reported by the caller.
    if (thrown instanceof SlipwayError && /^(sha256:)?[0-9a-f]{2,64}$/.test(text)) return undefined
    throw thrown
  }
  return store.resolve(name)
}
