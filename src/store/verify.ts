// Is everything in a store what it says it is: `slipway store verify`. Reports, never repairs; that is repair.ts.
import { readdir, readFile, stat } from 'node:fs/promises'
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { type Digest, digestOfHex } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { limit } from '../core/limit.ts'
import { isDocumentType, isIndexType, maxIndexDepth, maxManifestBytes } from '../core/media-type.ts'
import type { Native } from '../sys/native.ts'
import { childrenOf } from './children.ts'
import { digestOfFile, soundSize } from './damaged.ts'
import { nameOf } from './index-entries.ts'
import { readIndex } from './index-file.ts'
import { type LayoutPaths, layoutPaths } from './layout-paths.ts'
import { checkMarker } from './marker.ts'
import { storageFailure } from './storage-failure.ts'
import { staleTemps } from './sweep.ts'

/** One thing that is wrong with a store. */
export interface StoreProblem {
  readonly kind: 'layout' | 'index' | 'blob' | 'missing' | 'manifest' | 'leftover'
  /** One line naming the file or image and what is wrong with it. */
  readonly message: string
  readonly path?: string
  readonly digest?: Digest
  /** Of `missing` and `manifest`: the manifest in the index from which it was reached. */
  readonly image?: Digest
}

/** Everything wrong with the store in `directory`, in a stable order; empty when it is sound. Re-hashes every blob. */
export async function verifyStore(
  directory: string,
  native: Native,
  cx: Pick<Context, 'signal'>,
): Promise<readonly StoreProblem[]> {
  const paths = layoutPaths(directory)
  const problems: StoreProblem[] = [...(await checkLayout(paths))]
  const blobs = await checkBlobs(paths, cx.signal)
  problems.push(...blobs.problems)
  problems.push(...(await checkIndex(paths, blobs.sound)))
  for (const name of (await staleTemps(paths, native)) ?? []) {
    const path = `${paths.ingest}/${name}`
    problems.push({ kind: 'leftover', message: `${path}: left by a process that died while writing`, path })
  }
  return problems
}

async function checkLayout(paths: LayoutPaths): Promise<readonly StoreProblem[]> {
  const problem = (why: string): readonly StoreProblem[] => [
    { kind: 'layout', message: `${paths.marker}: ${why}`, path: paths.marker },
  ]
  try {
    return (await checkMarker(paths)) ? [] : problem('it does not exist')
  } catch (thrown) {
    if (thrown instanceof SlipwayError && thrown.code !== 'ERR_STORE_NEWER') return problem(thrown.message)
    throw thrown
  }
}

/** Sizes of the blobs whose bytes match their names, and what is wrong with the other files. */
async function checkBlobs(
  paths: LayoutPaths,
  signal: AbortSignal,
): Promise<{ readonly sound: ReadonlyMap<Digest, number>; readonly problems: readonly StoreProblem[] }> {
  const names = (await list(paths.blobs)).toSorted()
  const slots = limit(2)
  const sound = new Map<Digest, number>()
  const judge = async (name: string): Promise<readonly StoreProblem[]> => {
    signal.throwIfAborted()
    const path = `${paths.blobs}/${name}`
    if (!/^[0-9a-f]{64}$/.test(name)) {
      return [{ kind: 'blob', message: `${path}: its name is not a sha256 digest`, path }]
    }
    const digest = digestOfHex(name)
    try {
      const found = await digestOfFile(path, signal)
      if (found !== digest) {
        return [{ kind: 'blob', message: `${path}: its content has digest ${found}`, path, digest }]
      }
      sound.set(digest, (await stat(path)).size)
      return []
    } catch (thrown) {
      signal.throwIfAborted()
      // Another process may have moved a damaged blob away meanwhile.
      if (errnoOf(thrown) === 'ENOENT') return []
      return [{ kind: 'blob', message: storageFailure('read', path, thrown).message, path, digest }]
    }
  }
  const problems = await Promise.all(names.map((name) => slots(() => judge(name))))
  return { sound, problems: problems.flat() }
}

async function checkIndex(
  paths: LayoutPaths,
  sound: ReadonlyMap<Digest, number>,
): Promise<readonly StoreProblem[]> {
  let entries: readonly Descriptor[]
  try {
    entries = await readIndex(paths)
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown
    return [{ kind: 'index', message: thrown.message, path: paths.index }]
  }
  const problems: StoreProblem[] = []
  for (const entry of entries) {
    const image = nameOf(entry) ?? entry.digest
    const found = await checkReachable(paths, sound, { descriptor: entry, depth: 0, image, seen: new Set() })
    problems.push(...found.map((problem) => ({ ...problem, image: entry.digest })))
  }
  if (problems.length === 0) return problems
  // Another process may have taken the image away meanwhile.
  const left = new Set((await readIndex(paths)).map(({ digest }) => digest))
  return problems.filter(({ image }) => image === undefined || left.has(image))
}

async function checkReachable(
  paths: LayoutPaths,
  sound: ReadonlyMap<Digest, number>,
  at: {
    readonly descriptor: Descriptor
    readonly depth: number
    readonly image: string
    /** What was looked at already: an index may list one that lists one that …, each a thousand times. */
    readonly seen: Set<string>
  },
): Promise<readonly StoreProblem[]> {
  const { descriptor, depth, image, seen } = at
  const { digest } = descriptor
  const name = `${depth} ${digest} ${descriptor.size} ${descriptor.mediaType}`
  if (seen.has(name)) return []
  seen.add(name)
  const what = isDocumentType(descriptor.mediaType) ? 'manifest' : 'blob'
  // Also one that was written since the blobs were looked at.
  const size = sound.get(digest) ?? (await soundSize(paths, digest))
  if (size === undefined) {
    return [{ kind: 'missing', message: `${image}: ${what} ${digest} is missing or damaged`, digest }]
  }
  if (size !== descriptor.size) {
    const message = `${image}: ${what} ${digest} has ${size} bytes, its descriptor says ${descriptor.size}`
    return [{ kind: 'manifest', message, digest }]
  }
  if (what === 'blob') return []
  if ((isIndexType(descriptor.mediaType) && depth >= maxIndexDepth) || size > maxManifestBytes) {
    return [
      { kind: 'manifest', message: `${image}: manifest ${digest} is too large or nested too deep`, digest },
    ]
  }
  try {
    const children = childrenOf(descriptor, await readFile(paths.blob(digest)))
    const below = children.map((child) =>
      checkReachable(paths, sound, { descriptor: child, depth: depth + 1, image, seen }),
    )
    return (await Promise.all(below)).flat()
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') {
      return [{ kind: 'missing', message: `${image}: ${what} ${digest} is missing or damaged`, digest }]
    }
    if (!(thrown instanceof SlipwayError)) throw storageFailure('read', paths.blob(digest), thrown)
    return [{ kind: 'manifest', message: `${image}: ${thrown.message}`, digest }]
  }
}

async function list(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw storageFailure('list', directory, thrown)
  }
}
