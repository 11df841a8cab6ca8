// The images of the index as items: what each reaches of the blobs that are there.
import { readFileSync } from 'node:fs'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { isDocumentType, isIndexType, maxIndexDepth, maxManifestBytes } from '../core/media-type.ts'
import { childrenOf } from '../store/children.ts'
import { nameOf } from '../store/index-entries.ts'
import { readIndex } from '../store/index-file.ts'
import { type LayoutPaths, layoutPaths } from '../store/layout-paths.ts'
import { blobPart, type Part } from '../store/leases.ts'
import type { Draft } from './draft.ts'
import { lookAt } from './stored-parts.ts'

/** An item for each image, with all its names. */
export async function imageDrafts(directory: string): Promise<readonly Draft[]> {
  const paths = layoutPaths(directory)
  const images = new Map<Digest, { readonly descriptor: Descriptor; readonly names: string[] }>()
  for (const descriptor of await readIndex(paths)) {
    const image = images.get(descriptor.digest) ?? { descriptor, names: [] }
    images.set(descriptor.digest, image)
    const name = nameOf(descriptor)
    if (name !== undefined) image.names.push(name)
  }
  return [...images.values()].map(({ descriptor, names }) => {
    const madeMs = lookAt(paths.blob(descriptor.digest))?.mtimeMs ?? 0
    return {
      id: descriptor.digest,
      type: 'image',
      description: names.length === 0 ? 'image without a name' : names.join(', '),
      names,
      layers: [[...reachable(paths, descriptor)].map(blobPart)],
      own: { bytes: 0, inodes: 0 },
      createdMs: madeMs,
      usedMs: madeMs,
      removal: { kind: 'image', digest: descriptor.digest },
    }
  })
}

/** The digests that `root` reaches, itself first; what is missing or damaged reaches nothing. */
export function reachable(paths: LayoutPaths, root: Descriptor): ReadonlySet<Digest> {
  const found = new Set<Digest>()
  const visit = (descriptor: Descriptor, depth: number): void => {
    if (found.has(descriptor.digest)) return
    found.add(descriptor.digest)
    if (!isDocumentType(descriptor.mediaType) || descriptor.size > maxManifestBytes) return
    if (isIndexType(descriptor.mediaType) && depth >= maxIndexDepth) return
    for (const child of children(paths, descriptor)) visit(child, depth + 1)
  }
  visit(root, 0)
  return found
}

function children(paths: LayoutPaths, descriptor: Descriptor): readonly Descriptor[] {
  try {
    return childrenOf(descriptor, readFileSync(paths.blob(descriptor.digest)))
  } catch (thrown) {
    if (thrown instanceof SlipwayError || errnoOf(thrown) === 'ENOENT') return []
    throw thrown
  }
}

/**
 * What the pinned manifests reach: a command that has looked at an image is about to use all of it, and may be giving it
 * a name. What kind of document a pinned blob is, it says itself.
 */
export function withReachable(paths: LayoutPaths, pins: ReadonlySet<Part>): Set<Part> {
  const all = new Set<Part>(pins)
  for (const part of pins) {
    if (!part.startsWith('blob:')) continue
    const digest = `sha256:${part.slice('blob:'.length)}` as Digest
    const found = lookAt(paths.blob(digest))
    if (found === undefined || found.size > maxManifestBytes) continue
    const mediaType = documentType(paths.blob(digest))
    if (mediaType === undefined) continue
    for (const below of reachable(paths, { mediaType, digest, size: found.size })) all.add(blobPart(below))
  }
  return all
}

const manifest = 'application/vnd.oci.image.manifest.v1+json'
const index = 'application/vnd.oci.image.index.v1+json'

/** As what to read a document; undefined for a blob that is none. */
function documentType(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    if (!text.trimStart().startsWith('{')) return undefined
    const value = JSON.parse(text) as Readonly<Record<string, unknown>>
    if (Array.isArray(value.manifests)) return index
    return Array.isArray(value.layers) ? manifest : undefined
  } catch (thrown) {
    if (thrown instanceof SyntaxError || errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}
