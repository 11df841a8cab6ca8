// A finished image in the local store: its documents are added to layers that are there already.
import type { Descriptor } from '../core/descriptor.ts'
import { SlipwayError } from '../core/error.ts'
import { describeImage } from '../image/manifest.ts'
import type { Image } from '../image/types.ts'
import type { ContentStore } from '../store/types.ts'
import type { Exporter } from './types.ts'

/** The two documents of an image as stored. */
export interface StoredDocuments {
  readonly manifest: Descriptor
  readonly config: Descriptor
}

/** Writes the image's config and manifest; its layers keep the form they have. Throws ERR_BLOB_MISSING for a layer that is not there: a manifest in the store is a complete image. */
export async function writeImage(
  store: Pick<ContentStore, 'has' | 'put'>,
  image: Image,
  signal?: AbortSignal,
): Promise<StoredDocuments> {
  const layers = image.layers.map((layer) => layer.descriptor)
  const present = await Promise.all(layers.map((layer) => store.has(layer)))
  const missing = layers[present.indexOf(false)]
  if (missing !== undefined) {
    throw new SlipwayError({
      code: 'ERR_BLOB_MISSING',
      message: `store image: layer ${missing.digest} is not in the local store`,
      data: { digest: missing.digest },
    })
  }
  const { config, manifest } = describeImage(image.config, layers)
  const options = signal === undefined ? {} : { signal }
  await store.put(config.descriptor, config.bytes, options)
  await store.put(manifest.descriptor, manifest.bytes, options)
  return { manifest: manifest.descriptor, config: config.descriptor }
}

/** Exports into the local store: every one of `names` (full references) means the image afterwards; without names it is kept untagged. */
export function storeExporter(store: ContentStore, names: readonly string[]): Exporter {
  return {
    export: async (image, cx) => {
      const { manifest, config } = await writeImage(store, image, cx.signal)
      for (const name of names) await store.tag(name, manifest)
      if (names.length === 0) await store.keep(manifest)
      return { manifest, config, names }
    },
  }
}
