// What has to stay for a result: the parts its layers name, the directories those lead to, and the archives that were
// made of directories (made again where they are missing, but why should they be).
import { digestOfHex, isDigest } from '../core/digest.ts'
import { chainIds, ontoId } from '../snapshot/unpack.ts'
import type { LayerRef } from '../solve/types.ts'
import { blobPart, type Part, snapshotPart } from '../store/leases.ts'
import { namesIn, readIfThere } from './stored-parts.ts'

type BlobRef = Extract<LayerRef, { kind: 'blob' }>

/** A layer of a base image, which several results stand on: its blob, and its directory where it was unpacked. */
export interface BaseLayer {
  readonly blob: BlobRef
  readonly snapshot: Part
}

/** Archives by what they were made of: the tar of a snapshot, and the compressed forms of a tar. */
export type MadeOf = (part: Part) => readonly Part[]

/** The parts of each of these layers, some of which may not be there. `onBase` hears of the layers that came with a base image. */
export function neededParts(
  layers: readonly LayerRef[],
  madeOf: MadeOf,
  onBase: (layer: BaseLayer) => void,
): readonly (readonly Part[])[] {
  const parts: Part[][] = []
  const ids: string[] = []
  const all = (part: Part): readonly Part[] => [
    part,
    ...madeOf(part).flatMap((made) => [made, ...madeOf(made)]),
  ]
  for (let at = 0; at < layers.length; at++) {
    const layer = layers[at]
    if (layer?.kind === 'snapshot') {
      ids.push(layer.id)
      parts.push([...all(snapshotPart(layer.id))])
    } else if (layer?.kind === 'archive') {
      const id = ontoId(ids, layer.diffId)
      ids.push(id)
      parts.push([...all(blobPart(layer.descriptor.digest)), snapshotPart(id)])
    } else if (layer?.kind === 'blob') {
      // Consecutive layers are one image's.
      const run: BlobRef[] = []
      for (let next = layers[at]; next?.kind === 'blob'; next = layers[++at]) run.push(next)
      at--
      for (const [index, id] of chainIds(run.map(({ diffId }) => diffId)).entries()) {
        const blob = run[index]
        if (blob === undefined) continue
        ids.push(id)
        parts.push([...all(blobPart(blob.descriptor.digest)), snapshotPart(id)])
        onBase({ blob, snapshot: snapshotPart(id) })
      }
    }
  }
  return parts
}

/** What was made of what, as `layers/` and `variants/` of a state directory have it. */
export function archivesOf(directory: string): MadeOf {
  const made = new Map<Part, Part[]>()
  const note = (from: Part, digest: unknown): void => {
    if (!isDigest(digest)) return
    const known = made.get(from)
    if (known === undefined) made.set(from, [blobPart(digest)])
    else known.push(blobPart(digest))
  }
  for (const name of namesIn(`${directory}/layers`)) {
    const id = /^([A-Za-z0-9]+)\.json$/.exec(name)?.[1]
    if (id !== undefined) note(snapshotPart(id), digestIn(`${directory}/layers/${name}`, 'diffId'))
  }
  for (const name of namesIn(`${directory}/variants`)) {
    const hex = /^([0-9a-f]{64})-.*\.json$/.exec(name)?.[1]
    if (hex === undefined) continue
    note(blobPart(digestOfHex(hex)), digestIn(`${directory}/variants/${name}`, 'digest'))
  }
  return (part) => made.get(part) ?? []
}

function digestIn(path: string, key: string): unknown {
  try {
    return (JSON.parse(readIfThere(path) ?? '{}') as Readonly<Record<string, unknown>> | null)?.[key]
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}
