// Is what the cache has written down whole: the part of `slipway store verify` that is not about images. A record whose
// layer is gone is none of its business: it is a miss, and goes with the next prune.
import { decodeEntry } from '../cache/entry.ts'
import { isSoundFileList, isSoundPast } from '../cache/past-builds.ts'
import { isSoundPlan } from '../cache/plans.ts'
import { digestOfHex } from '../core/digest.ts'
import { bootId, durabilityOf } from '../snapshot/durability.ts'
import { lookAt, namesIn, readIfThere } from './stored-parts.ts'

/** One thing that is wrong with the cache. */
export type CacheProblem = {
  /** One line naming the file and what is wrong with it. */
  readonly message: string
  readonly path: string
} & (
  | { readonly kind: 'record' }
  | { readonly kind: 'hint' }
  | { readonly kind: 'snapshot'; readonly id: string }
)

/** Everything wrong with the records and snapshots of a state directory, in a stable order. */
export function checkCache(directory: string): readonly CacheProblem[] {
  return [...recordProblems(directory), ...pastProblems(directory), ...snapshotProblems(directory)]
}

function* recordProblems(directory: string): Generator<CacheProblem> {
  const top = `${directory}/records`
  for (const bucket of namesIn(top).toSorted()) {
    yield* strayProblem(`${top}/${bucket}`, 'directory')
    for (const name of namesIn(`${top}/${bucket}`).toSorted()) {
      const path = `${top}/${bucket}/${name}`
      const hex = /^([0-9a-f]{64})\.json$/.exec(name)?.[1]
      if (hex === undefined) {
        yield { kind: 'record', message: `${path}: its name is not a sha256 digest`, path }
        continue
      }
      yield* strayProblem(path, 'file')
      const text = readIfThere(path)
      if (text === undefined || isOfOtherVersion(text)) continue
      if (decodeEntry(text, digestOfHex(hex)) === undefined) {
        yield { kind: 'record', message: `${path}: it is no cache record`, path }
      }
    }
  }
}

function* pastProblems(directory: string): Generator<CacheProblem> {
  const checks = [
    { top: `${directory}/builds`, isSound: isSoundPast, what: 'no past build' },
    { top: `${directory}/files`, isSound: isSoundFileList, what: 'no list of files' },
    { top: `${directory}/plans`, isSound: isSoundPlan, what: 'no plan' },
  ]
  for (const { top, isSound, what } of checks) {
    for (const name of namesIn(top).toSorted()) {
      const path = `${top}/${name}`
      yield* strayProblem(path, 'file')
      const text = readIfThere(path)
      if (text === undefined || isSound(text)) continue
      yield { kind: 'hint', message: `${path}: it is ${what}`, path }
    }
  }
}

/** Something of another kind in a file's or a directory's place. */
function* strayProblem(path: string, kind: 'file' | 'directory'): Generator<CacheProblem> {
  const found = lookAt(path)
  if (found === undefined || (kind === 'file' ? found.isFile() : found.isDirectory())) return
  yield { kind: 'record', message: `${path}: it is no ${kind === 'file' ? 'regular file' : kind}`, path }
}

/** What another slipway understands is not damaged. */
function isOfOtherVersion(text: string): boolean {
  try {
    const version = (JSON.parse(text) as Readonly<Record<string, unknown>> | null)?.version
    return Number.isSafeInteger(version) && version !== 1
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return false
    throw thrown
  }
}

function* snapshotProblems(directory: string): Generator<CacheProblem> {
  const boot = bootId()
  for (const id of namesIn(`${directory}/snapshots`).toSorted()) {
    if (!/^[A-Za-z0-9]{1,128}$/.test(id)) continue
    const path = `${directory}/snapshots/${id}`
    if (!lookAt(`${path}/fs`)?.isDirectory()) {
      if (lookAt(path) !== undefined) {
        yield { kind: 'snapshot', message: `${path}: it holds no layer`, path, id }
      }
    } else if (durabilityOf(path, boot) === 'doubtful') {
      const message = `${path}: the machine went down before it was known to be on disk`
      yield { kind: 'snapshot', message, path, id }
    }
  }
}
