// Images and layers from a registry into the local store.
import { type Context, task } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { StepId } from '../core/event.ts'
import { formatReference, type ImageRef, parseReference } from '../core/reference.ts'
import { copyBlobs, copyImage } from '../store/copy.ts'
import type { ContentStore } from '../store/types.ts'
import { type ImageRequest, type ResolvedImage, resolveImage } from './resolve.ts'
import { transferOptions } from './transfer.ts'
import type { Registry } from './types.ts'

/** Postcondition: the image for the platform is in the store, complete, under the reference's full name. */
export async function pullImage(
  registry: Registry,
  request: ImageRequest,
  cx: Context,
): Promise<ResolvedImage> {
  const { ref, store } = request
  const step = `pull ${formatReference(ref)}`
  return await task(cx, step, step, async () => {
    const image = await resolveImage(registry, request, cx)
    const repository = registry.repository(ref)
    await copyImage(repository, store, image.descriptor, {
      ...transferOptions(registry, step, cx),
      exclusive: store.exclusive,
    })
    await rememberOrigin(store, image.manifest.layers, ref)
    await store.tag(image.name, image.descriptor)
    return image
  })
}

/**
 * Postcondition: these layers of an image are in the store. `source` is the full reference they are fetched from;
 * progress is reported under `step`.
 */
export async function pullLayers(
  registry: Registry,
  request: {
    readonly source: string
    readonly layers: readonly Descriptor[]
    readonly store: ContentStore
    readonly step: StepId
  },
  cx: Context,
): Promise<void> {
  const { source, layers, store, step } = request
  const ref = parseReference(source)
  await copyBlobs(registry.repository(ref), store, layers, {
    ...transferOptions(registry, step, cx),
    exclusive: store.exclusive,
  })
  await rememberOrigin(store, layers, ref)
}

async function rememberOrigin(
  store: ContentStore,
  layers: readonly Descriptor[],
  ref: ImageRef,
): Promise<void> {
  const origin = `${ref.registry}/${ref.repository}`
  await Promise.all(layers.map((layer) => store.addOrigin(layer.digest, origin)))
}
