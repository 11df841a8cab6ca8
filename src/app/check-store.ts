// `slipway store verify`: what is wrong with a state directory, and what was done about it.
import { lstatSync, rmSync } from 'node:fs'
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import { type CacheProblem, checkCache } from '../disk/check.ts'
import { layoutPaths } from '../store/layout-paths.ts'
import { checkMarker } from '../store/marker.ts'
import { repairProblem, writeMarker } from '../store/repair.ts'
import { storageFailure } from '../store/storage-failure.ts'
import { type StoreProblem, verifyStore } from '../store/verify.ts'
import { layerProblems } from './check-layers.ts'
import { type Host, storeDirectory } from './host.ts'

export interface CheckedProblem {
  readonly kind: StoreProblem['kind'] | CacheProblem['kind']
  readonly message: string
  readonly path?: string
  readonly digest?: string
  /** What was done about it. */
  readonly repair?: string
}

export interface Checked {
  readonly problems: readonly CheckedProblem[]
  /** Undefined when the index cannot be read. */
  readonly images?: number
}

/** Everything that is wrong with the state directory; nothing is changed. */
export async function checkStore(host: Host, cx: Context): Promise<Checked> {
  const problems = await problemsOf(host, cx)
  return { problems: problems.map(shown), ...(await countImages(host)) }
}

/** As `checkStore`, and something is done about each problem; those of which nothing is said stay. */
export async function repairStore(host: Host, cx: Context): Promise<Checked> {
  const repaired: CheckedProblem[] = []
  let problems = await problemsOf(host, cx)
  // What a repair takes away may have been needed: an image goes after the blob of its that was moved away.
  for (let round = 0; round < 3 && problems.length > 0; round++) {
    for (const problem of problems) {
      const repair = await repairOne(host, problem)
      if (repair !== undefined) repaired.push({ ...shown(problem), repair })
    }
    problems = await problemsOf(host, cx)
  }
  return { problems: [...repaired, ...problems.map(shown)], ...(await countImages(host)) }
}

/** Makes a store out of a directory whose marker is damaged, before it is opened; what was done. */
export async function repairMarker(root: string): Promise<CheckedProblem | undefined> {
  const paths = layoutPaths(storeDirectory(root))
  try {
    await checkMarker(paths)
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_STORE_DAMAGED') throw thrown
    await writeMarker(paths)
    return { kind: 'layout', message: thrown.message, path: paths.marker, repair: 'written anew' }
  }
}

type Problem = StoreProblem | CacheProblem

async function problemsOf(host: Host, cx: Context): Promise<readonly Problem[]> {
  const { directory, native } = host
  const problems = [...(await verifyStore(directory, native, cx)), ...checkCache(directory)]
  // Without an index nothing tells of the images; the next round looks again.
  if (problems.some(({ kind }) => kind === 'index')) return problems
  const damaged = new Set(problems.flatMap((problem) => ('digest' in problem ? (problem.digest ?? []) : [])))
  const known = new Set(problems.map(({ path }) => path))
  const layers = await layerProblems(host, damaged, cx)
  return [...problems, ...layers.filter(({ path }) => !known.has(path))]
}

function shown({ kind, message, path, ...rest }: Problem): CheckedProblem {
  return {
    kind,
    message,
    ...(path === undefined ? {} : { path }),
    ...('digest' in rest && rest.digest !== undefined ? { digest: rest.digest } : {}),
  }
}

async function repairOne(host: Host, problem: Problem): Promise<string | undefined> {
  if (problem.kind === 'record') return removeFile(problem.path, 'its step runs again')
  if (problem.kind === 'hint') return removeFile(problem.path, 'the next build makes it anew')
  if (problem.kind === 'snapshot') {
    await host.snapshotter.remove(problem.id)
    return 'removed: it is made again when it is needed'
  }
  return await repairProblem(layoutPaths(host.directory), host.native, problem)
}

function removeFile(path: string, consequence: string): string | undefined {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined
    rmSync(path, { recursive: true, force: true })
    return `removed: ${consequence}`
  } catch (thrown) {
    throw storageFailure('remove', path, thrown)
  }
}

async function countImages({ store }: Host): Promise<{ readonly images?: number }> {
  try {
    return { images: (await store.list()).length }
  } catch (thrown) {
    if (thrown instanceof SlipwayError && thrown.code === 'ERR_STORE_DAMAGED') return {}
    throw thrown
  }
}
