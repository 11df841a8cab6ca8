// An image of the local store to a registry: what the registry has is not sent, what it has elsewhere is mounted.
import { Readable } from 'node:stream'
import { type Context, task } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { isDocumentType, maxManifestBytes } from '../core/media-type.ts'
import { formatReference, type ImageRef, parseReference } from '../core/reference.ts'
import { childrenOf } from '../store/children.ts'
import { readSmall } from '../store/collect.ts'
import { copyImage } from '../store/copy.ts'
import type { ContentReader, ContentStore } from '../store/types.ts'
import { transferOptions } from './transfer.ts'
import type { Registry, Repository } from './types.ts'

export interface PushRequest {
  /** Layers that are not here are read from the repositories the store knows as their origins. */
  readonly store: ContentStore
  /** Where to; without a tag it is pushed by digest only. */
  readonly ref: ImageRef
  /** A manifest, or an index with everything it lists. */
  readonly descriptor: Descriptor
}

/** Postcondition: the repository has the image with all it needs, and the tag, if any, means it. */
export async function pushImage(registry: Registry, request: PushRequest, cx: Context): Promise<void> {
  const { store, ref, descriptor } = request
  const step = `push ${formatReference(ref)}`
  await task(cx, step, step, async () => {
    const target = registry.repository(ref, { push: true, mountFrom: (digest) => store.origins(digest) })
    if (await isThere(target, ref, descriptor, cx.signal)) return
    const from = withOrigins(store, registry)
    await copyImage(from, target, descriptor, { ...transferOptions(registry, step, cx), skip: isForeign })
    if (ref.tag !== undefined) await target.tag(ref.tag, descriptor, { signal: cx.signal })
    await rememberOrigins(store, target.name, descriptor, cx.signal)
  })
}

/** Whether the tag already means this very manifest; then the registry has all of it. */
async function isThere(
  target: Repository,
  ref: ImageRef,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<boolean> {
  if (ref.tag === undefined) return false
  return (await target.head(ref.tag, { signal }))?.digest === descriptor.digest
}

/** Layers that may not be distributed stay where their `urls` say (image-spec, layer.md). */
function isForeign(descriptor: Descriptor): boolean {
  return /\.(foreign|nondistributable)\./.test(descriptor.mediaType)
}

/** The store, and behind it the repositories a missing blob came from: base layers are pulled only when a step needs them. */
function withOrigins(store: ContentStore, registry: Registry): ContentReader {
  return {
    has: store.has,
    async open(descriptor, options) {
      if (await store.has(descriptor)) return await store.open(descriptor, options)
      // Asked for when the first byte is: where the target mounts the blob it reads none.
      return Readable.from(fromOrigin(descriptor, options), { objectMode: false })
    },
  }

  async function* fromOrigin(
    descriptor: Descriptor,
    options: Parameters<ContentReader['open']>[1],
  ): AsyncGenerator<Buffer> {
    for (const origin of await store.origins(descriptor.digest)) {
      const repository = registry.repository(parseReference(origin))
      if (await repository.has(descriptor, options)) {
        yield* await repository.open(descriptor, options)
        return
      }
    }
    yield* await store.open(descriptor, options)
  }
}

async function rememberOrigins(
  store: ContentStore,
  name: string,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<void> {
  if (!isDocumentType(descriptor.mediaType)) return
  const bytes = await readSmall(store, descriptor, { limitBytes: maxManifestBytes, signal })
  for (const child of childrenOf(descriptor, bytes)) {
    if (isDocumentType(child.mediaType)) await rememberOrigins(store, name, child, signal)
    else await store.addOrigin(child.digest, name)
  }
}
