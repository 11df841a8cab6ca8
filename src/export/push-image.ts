// The image exporter with push: what is pushed is also what the local store then holds under the name, one digest for both.
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { ContentStore } from '../store/types.ts'
import type { ImageForm } from './output.ts'
import { type ConvertLayer, packImage } from './packed-image.ts'
import type { Exporter } from './types.ts'

/** Sends a stored image to the registry of `name`, a full reference. */
export type PushImage = (name: string, manifest: Descriptor, cx: Context) => Promise<void>

export interface PushHost {
  readonly store: ContentStore
  readonly convert: ConvertLayer
  readonly push: PushImage
}

export interface PushRequest {
  readonly names: readonly string[]
  readonly form: ImageForm
  /** Also tag the image in the local store; `complete`: if all its layers are there. */
  readonly store: boolean | 'complete'
}

/** Exports to the registries of `names`. Postcondition: every name means the image there. */
export function pushExporter({ names, form, store }: PushRequest, host: PushHost): Exporter {
  return {
    export: async (image, cx) => {
      const { manifest, config, layers } = await packImage(image, form, host.convert, cx)
      const options = { signal: cx.signal }
      await host.store.put(config.descriptor, config.bytes, options)
      await host.store.put(manifest.descriptor, manifest.bytes, options)
      const present = await Promise.all(layers.map((layer) => host.store.has(layer)))
      // A manifest that is tagged in the store is a complete image.
      if (store === true || (store === 'complete' && present.every(Boolean))) {
        for (const name of names) await host.store.tag(name, manifest.descriptor)
      }
      for (const name of names) await host.push(name, manifest.descriptor, cx)
      return { manifest: manifest.descriptor, config: config.descriptor, names }
    },
  }
}
