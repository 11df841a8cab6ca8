// What of a store the layers of a result are: what has to stay for them to be usable.
import type { LayerRef } from '../solve/types.ts'
import { blobPart, type Part, snapshotPart } from '../store/leases.ts'

/** The parts that were made here or are held for steps made elsewhere, bottom first. A base image's blobs are none: they can be fetched again. */
export function partsOf(layers: readonly LayerRef[]): readonly Part[] {
  return layers.flatMap((layer) => {
    if (layer.kind === 'snapshot') return [snapshotPart(layer.id)]
    const isHeld = layer.kind === 'archive' || (layer.kind === 'blob' && layer.created !== undefined)
    return isHeld ? [blobPart(layer.descriptor.digest)] : []
  })
}
