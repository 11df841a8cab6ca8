// Layers of a remote cache that turn out to be gone, or not what their record says: nobody's mistake, the step that made
// them can be done here.
import type { Context } from '../core/context.ts'
import { type Digest, isDigest } from '../core/digest.ts'
import { errorJson, SlipwayError } from '../core/error.ts'
import type { LayerRef } from '../solve/types.ts'

/** A layer that is fetched. */
export type BlobRef = Extract<LayerRef, { kind: 'blob' }>

/** Runs `use`, whose failure is that of the cached layers among `blobs`, if there are any. Throws ERR_CACHE_LAYER. */
export async function usingLayers<T>(
  blobs: readonly BlobRef[],
  { signal }: Pick<Context, 'signal'>,
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use()
  } catch (thrown) {
    signal.throwIfAborted()
    const cached = blobs.filter((blob) => blob.created !== undefined)
    // A base image's layer, or a disk that is full, fails without them, too.
    if (cached.length === 0 || (thrown instanceof SlipwayError && thrown.code.startsWith('ERR_STORE')))
      throw thrown
    throw new SlipwayError({
      code: 'ERR_CACHE_LAYER',
      message: `use a layer of ${cached[0]?.source}: ${errorJson(thrown).message}`,
      data: { layers: cached.map(({ descriptor }) => descriptor.digest) },
      cause: thrown,
    })
  }
}

/** The layers that a failure says not to use again; none when it is another failure. */
export function badLayers(thrown: unknown): readonly Digest[] {
  if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_CACHE_LAYER') return []
  const layers = thrown.data?.layers
  return Array.isArray(layers) ? layers.filter(isDigest) : []
}
