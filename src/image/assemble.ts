// The finished image of a plan and the layers that were built for it. Pure: the same layers give the same image.
import { invariant } from '../core/error.ts'
import type { History, Image, ImageLayer, PlannedImage } from './types.ts'

export interface AssembleOptions {
  /** The pinned time of a reproducible build (SOURCE_DATE_EPOCH), RFC 3339: the image's and every new step's. */
  readonly epoch?: string
}

/** The image of `planned` whose layers, bottom first, are `layers`: the base image's and one for each new layer-making step. */
export function assemble(
  planned: PlannedImage,
  layers: readonly ImageLayer[],
  options: AssembleOptions = {},
): Image {
  const { baseLayers } = planned
  const fresh = planned.history.filter((entry) => entry.layer).length
  invariant(
    layers.length === baseLayers + fresh,
    `${layers.length} layers for ${baseLayers} of the base image and ${fresh} new ones`,
  )
  const history = filled([
    ...accounted(planned.baseHistory, baseLayers),
    ...newHistory(planned, layers.slice(baseLayers), options.epoch),
  ])
  const created = options.epoch ?? history.findLast((entry) => entry.created !== undefined)?.created
  const { created: _created, ...config } = planned.config
  return {
    config: {
      ...config,
      ...(created === undefined ? {} : { created }),
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
      history,
    },
    layers,
  }
}

function newHistory(
  planned: PlannedImage,
  layers: readonly ImageLayer[],
  epoch: string | undefined,
): History[] {
  const rest = layers.values()
  return planned.history.map(({ layer, created, ...entry }) => {
    const made = layer ? rest.next().value?.created : undefined
    const time = created ?? epoch ?? made
    return {
      ...(time === undefined ? {} : { created: time }),
      ...entry,
      ...(layer ? {} : { empty_layer: true }),
    }
  })
}

// Old and squashed images have histories that do not account for their layers; readers of the result need
// exactly one non-empty entry per layer (config.md "history"), so both surpluses are settled as BuildKit does.
function accounted(history: readonly History[], layers: number): History[] {
  let seen = 0
  const kept = history.map((entry): History => {
    if (entry.empty_layer) return entry
    seen++
    return seen > layers ? { ...entry, empty_layer: true } : entry
  })
  const missing = Math.max(0, layers - seen)
  return [...kept, ...Array.from({ length: missing }, () => ({ comment: 'buildkit.exporter.image.v0' }))]
}

// BuildKit's rule: an entry without a time takes the one before it, but the first such entries take the time
// of the first new layer behind them, so that a leading ENV is not dated like the base image.
function filled(history: readonly History[]): History[] {
  const firstGap = history.findIndex((entry) => entry.created === undefined)
  if (firstGap === -1) return [...history]
  const timed = (entry: History): boolean => entry.created !== undefined
  const next = history.slice(firstGap).find(timed) ?? history.findLast(timed)
  let created = next?.created
  return history.map((entry, i) => {
    if (entry.created === undefined) return created === undefined ? entry : { created, ...entry }
    if (i > firstGap) created = entry.created
    return entry
  })
}
