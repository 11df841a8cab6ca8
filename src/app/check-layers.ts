// The part of `slipway store verify` that is about unpacked layers: each is compared with the archive it came from, or that
// was made of it. What is no image's, and came from no archive, cannot be compared with anything.
import { createReadStream } from 'node:fs'
import { decompress } from '../compression/decompress.ts'
import type { Context } from '../core/context.ts'
import { type Digest, digestOfHex } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import type { CacheProblem } from '../disk/check.ts'
import { archivesOf, neededParts } from '../disk/needs.ts'
import { keptResults } from '../disk/records.ts'
import { lookAt } from '../disk/stored-parts.ts'
import { layerDifference } from '../layer/layer-difference.ts'
import type { LayerRef } from '../solve/types.ts'
import { layoutPaths } from '../store/layout-paths.ts'
import type { Host } from './host.ts'
import { readImage } from './local-images.ts'

/** Every unpacked layer that is not what its archive says, in a stable order; archives in `damaged` say nothing. */
export async function layerProblems(
  host: Host,
  damaged: ReadonlySet<string>,
  { signal }: Context,
): Promise<readonly CacheProblem[]> {
  const paths = layoutPaths(host.directory)
  const problems: CacheProblem[] = []
  for (const [id, digests] of [...(await archivesById(host))].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const digest = digests.find((one) => !damaged.has(one) && lookAt(paths.blob(one))?.isFile())
    const path = `${host.directory}/snapshots/${id}`
    if (digest === undefined || lookAt(`${path}/fs`) === undefined) continue
    const options = { native: host.native, what: 'layer', signal }
    const archive = decompress(createReadStream(paths.blob(digest)), options)
    const found = await layerDifference(host.snapshotter.path(id), archive, signal).catch(ofArchive)
    // Another process may have taken it away meanwhile.
    if (found === undefined || lookAt(`${path}/fs`) === undefined) continue
    problems.push({ kind: 'snapshot', message: `${path}: ${found}`, path, id })
  }
  return problems
}

/** An archive that is none says nothing about the layer. */
function ofArchive(thrown: unknown): undefined {
  if (!(thrown instanceof SlipwayError) || !/^ERR_(TAR|DECOMPRESS)_/.test(thrown.code)) throw thrown
}

/** By the id of an unpacked layer, the archives that hold the same. */
async function archivesById(host: Host): Promise<ReadonlyMap<string, readonly Digest[]>> {
  const madeOf = archivesOf(host.directory)
  const archives = new Map<string, Digest[]>()
  for (const layers of [...keptResults(host.directory), ...(await layersOfImages(host))]) {
    for (const parts of neededParts(layers, madeOf, () => undefined)) {
      const names = parts.map((part) => /^(blob|snapshot):(.*)$/.exec(part) ?? [])
      const id = names.find(([, kind]) => kind === 'snapshot')?.[2]
      if (id === undefined) continue
      const digests = names.flatMap(([, kind, name]) =>
        kind === 'blob' && name !== undefined ? [digestOfHex(name)] : [],
      )
      archives.set(id, [...(archives.get(id) ?? []), ...digests])
    }
  }
  return archives
}

async function layersOfImages({ store }: Host): Promise<readonly (readonly LayerRef[])[]> {
  const found: LayerRef[][] = []
  for (const { descriptor } of await store.list()) {
    try {
      const { manifest, config } = await readImage(store, descriptor)
      found.push(
        manifest.layers.flatMap((layer, index): LayerRef[] => {
          const diffId = config.rootfs.diff_ids[index]
          return diffId === undefined ? [] : [{ kind: 'blob', descriptor: layer, diffId, source: '' }]
        }),
      )
    } catch (thrown) {
      // What is wrong with the image is told elsewhere.
      if (!(thrown instanceof SlipwayError)) throw thrown
    }
  }
  return found
}
