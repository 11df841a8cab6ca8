// The driver of images: names their layers. No layer is pulled here; see layers.ts.
import { stat } from 'node:fs/promises'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { maxManifestBytes, mediaType } from '../core/media-type.ts'
import type { OpOf } from '../graph/op.ts'
import { maxConfigBytes, parseConfig, parseManifest } from '../image/parse.ts'
import type { LayerRef, OpDriver } from '../solve/types.ts'
import type { ContentStore } from '../store/types.ts'

/** The driver of image ops. Precondition: whoever resolved the pin stored manifest and config. */
export function imageDriver(store: Pick<ContentStore, 'read' | 'path'>): OpDriver<OpOf<'image'>> {
  return {
    uncached: true,
    async run(op, _inputs, note) {
      const manifest = parseManifest(
        await store.read(await storedDescriptor(store, op.manifest), maxManifestBytes),
      )
      const config = parseConfig(await store.read(manifest.config, maxConfigBytes))
      const diffIds = config.rootfs.diff_ids
      if (manifest.layers.length !== diffIds.length) {
        throw new SlipwayError({
          code: 'ERR_IMAGE_INVALID',
          message: `read image ${note.reference ?? op.manifest}: the manifest lists ${manifest.layers.length} layers, its config ${diffIds.length}`,
        })
      }
      const source = note.reference ?? ''
      return diffIds.flatMap((diffId, index): LayerRef[] => {
        const descriptor = manifest.layers[index]
        return descriptor === undefined ? [] : [{ kind: 'blob', descriptor, diffId, source }]
      })
    },
  }
}

/** An op holds the manifest's digest only; the store verifies the bytes against it, whatever the size on disk is. */
async function storedDescriptor(store: Pick<ContentStore, 'path'>, digest: Digest): Promise<Descriptor> {
  try {
    const { size } = await stat(store.path(digest))
    return { mediaType: mediaType.ociManifest, digest, size }
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
    throw new SlipwayError({
      code: 'ERR_BLOB_MISSING',
      message: `read manifest ${digest}: it is not in the local store`,
      hint: 'run the build again; it resolves the image anew',
    })
  }
}
