// Images as `docker image inspect` and `docker history` show them.
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { History, ImageConfig, Manifest } from './types.ts'

/** What is known of a stored image. */
export interface StoredImage {
  readonly names: readonly string[]
  readonly descriptor: Descriptor
  readonly manifest: Manifest
  readonly config: ImageConfig
}

/** One row of a history, newest first. */
export interface HistoryRow {
  /** The config digest for the newest row; older steps have no image of their own. */
  readonly id: Digest | undefined
  readonly created: string | undefined
  readonly createdBy: string
  /** Bytes of the layer as stored; 0 for a step without one. */
  readonly sizeBytes: number
  readonly comment: string
}

/** The object `docker image inspect` prints for this image. */
export function inspectImage({
  names,
  descriptor,
  manifest,
  config,
}: StoredImage): Readonly<Record<string, unknown>> {
  const repositories = names.filter((name) => !name.includes('@')).map((name) => name.replace(/:[^/:]*$/, ''))
  return {
    Id: manifest.config.digest,
    RepoTags: names.filter((name) => !name.includes('@')),
    RepoDigests: [...new Set(repositories)].map((repository) => `${repository}@${descriptor.digest}`),
    Comment: config.history?.at(-1)?.comment ?? '',
    Created: config.created ?? null,
    Author: config.author ?? '',
    Config: config.config ?? {},
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
    RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids },
    Descriptor: descriptor,
  }
}

/** The steps of an image, newest first; sizes are those of the stored layers. */
export function historyRows({
  manifest,
  config,
}: Pick<StoredImage, 'manifest' | 'config'>): readonly HistoryRow[] {
  const history: readonly History[] = config.history ?? manifest.layers.map(() => ({}))
  const layers = manifest.layers.values()
  const rows = history.map((entry): HistoryRow => {
    const layer = entry.empty_layer ? undefined : layers.next().value
    return {
      id: undefined,
      created: entry.created,
      createdBy: entry.created_by ?? '',
      sizeBytes: layer?.size ?? 0,
      comment: entry.comment ?? '',
    }
  })
  return rows.reverse().map((row, i) => (i === 0 ? { ...row, id: manifest.config.digest } : row))
}
