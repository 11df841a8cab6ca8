// From the names of layers to directories: the one place where a base image is pulled and unpacked, and only
// when an op really needs its files. What a snapshot is, and how a blob is unpacked, is snapshot's business.
import type { Context } from '../core/context.ts'
import type { SnapshotId } from '../snapshot/types.ts'
import type { LayerRef } from '../solve/types.ts'

export type BlobRef = Extract<LayerRef, { kind: 'blob' }>

/** Layers as snapshots or directories, bottom first, each present and complete. */
export interface LayerSource {
  snapshots(layers: readonly LayerRef[], cx: Context): Promise<readonly SnapshotId[]>
  directories(layers: readonly LayerRef[], cx: Context): Promise<readonly string[]>
}
