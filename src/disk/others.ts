// What else lies in a state directory: caches of mounts, fetched repositories and files, what is remembered of contexts,
// logs, what failed steps left, damaged blobs.

import { decodeLayers } from '../cache/entry.ts'
import { openCaches, placesOf } from '../cache-mounts/caches.ts'
import { shownId } from '../cache-mounts/name.ts'
import { isDigest } from '../core/digest.ts'
import { layoutPaths } from '../store/layout-paths.ts'
import { blobPart, snapshotPart } from '../store/leases.ts'
import type { Draft } from './draft.ts'
import { type MadeOf, neededParts } from './needs.ts'
import { lookAt, measureTree, namesIn, readIfThere, sizeOfFile } from './stored-parts.ts'
import type { DiskHost, ItemType } from './types.ts'

/** An item for each. */
export async function otherDrafts(host: DiskHost, madeOf: MadeOf): Promise<readonly Draft[]> {
  const { directory, logs } = host
  const remembered = `${directory}/stat-cache`
  return [
    ...(await cacheDrafts(host)),
    ...(await repositoryDrafts(host)),
    ...httpDrafts(`${directory}/http`),
    ...fileDrafts(remembered, 'source.local', 'what a context looked like'),
    ...fileDrafts(`${directory}/files`, 'internal', 'the files that a step copied'),
    ...fileDrafts(`${directory}/builds`, 'internal', 'what the last build of a name did'),
    ...fileDrafts(`${directory}/plans`, 'internal', 'the plan of a build'),
    ...logs.flatMap((place) => fileDrafts(place, 'internal', 'log')),
    ...failedDrafts(`${directory}/failed`, madeOf),
    ...fileDrafts(layoutPaths(directory).damaged, 'internal', 'damaged blob'),
  ]
}

async function cacheDrafts(host: DiskHost): Promise<readonly Draft[]> {
  const { directory: root, native } = host
  const places = placesOf(root)
  const prepare = (): never => {
    throw new Error('caches that are listed are not made')
  }
  const caches = await openCaches({ root, native, snapshotter: { prepare } }).list()
  const drafts: Draft[] = []
  for (const { name, instance, identity, used } of caches) {
    const path = places.instance(name, instance)
    const own = await measureTree(host, path)
    if (own === undefined) continue
    drafts.push({
      id: `${name}/${instance}`,
      type: 'exec.cachemount',
      description: `cache ${shownId(identity.id)}`,
      layers: [],
      own,
      createdMs: lookAt(path)?.birthtimeMs ?? used.getTime(),
      usedMs: used.getTime(),
      isMutable: true,
      removal: { kind: 'directory', path, lockPath: places.lock(name, instance) },
    })
  }
  return drafts
}

async function repositoryDrafts(host: DiskHost): Promise<readonly Draft[]> {
  const drafts: Draft[] = []
  for (const name of namesIn(`${host.directory}/git`)) {
    const path = `${host.directory}/git/${name}`
    const found = lookAt(path)
    const own = found?.isDirectory() ? await measureTree(host, path) : undefined
    if (found === undefined || own === undefined || name.endsWith('.new')) continue
    drafts.push({
      id: name,
      type: 'source.git.checkout',
      description: 'git repository',
      layers: [],
      own,
      createdMs: found.birthtimeMs,
      usedMs: found.mtimeMs,
      isMutable: true,
      removal: { kind: 'directory', path, lockPath: `${path}.lock` },
    })
  }
  return drafts
}

function httpDrafts(top: string): readonly Draft[] {
  return fileDrafts(top, 'regular', 'file of the web').map((draft) => {
    const digest = valueIn(`${top}/${draft.id}`).digest
    return isDigest(digest) ? { ...draft, layers: [[blobPart(digest)]] } : draft
  })
}

function failedDrafts(top: string, madeOf: MadeOf): readonly Draft[] {
  return fileDrafts(top, 'internal', 'what a failed step left').flatMap((draft) => {
    const id = /^([0-9a-f]{32})\.json$/.exec(draft.id)?.[1]
    if (id === undefined) return []
    const { inputs } = valueIn(`${top}/${draft.id}`)
    const layers = (Array.isArray(inputs) ? inputs : []).flatMap((input: unknown) => decodeLayers(input))
    return [
      {
        ...draft,
        id,
        layers: [...neededParts(layers, madeOf, () => undefined), [snapshotPart(id)]],
        removal: { kind: 'failed' as const, id },
      },
    ]
  })
}

function fileDrafts(directory: string, type: ItemType, description: string): readonly Draft[] {
  return namesIn(directory).flatMap((name): readonly Draft[] => {
    const path = `${directory}/${name}`
    const found = lookAt(path)
    if (!found?.isFile()) return []
    return [
      {
        id: name,
        type,
        description,
        layers: [],
        own: sizeOfFile(found),
        createdMs: found.birthtimeMs,
        usedMs: found.mtimeMs,
        removal: { kind: 'files', paths: [path] },
      },
    ]
  })
}

function valueIn(path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readIfThere(path) ?? '{}')
    return value !== null && typeof value === 'object' ? (value as Readonly<Record<string, unknown>>) : {}
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return {}
    throw thrown
  }
}
