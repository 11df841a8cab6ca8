// The state that the last failed step left, on disk: what it changed as a snapshot, and a record of how to go on from
// it. `failed/<id>.json` is the record, `<id>` its snapshot, `<id>.lock` keeps it while somebody works in it.
import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import type { OpNote, OpOf } from '../../graph/op.ts'
import type { Resources } from '../../sandbox/resources.ts'
import type { NetworkNamespace, Rlimit } from '../../sandbox/types.ts'
import type { Active, SnapshotId, Snapshotter } from '../../snapshot/types.ts'
import type { Result } from '../../solve/types.ts'
import { acquireLock, tryLock } from '../../sys/lock.ts'
import type { Native } from '../../sys/native.ts'

/** What a build runs its steps with that is part of no step. */
export interface StepConditions {
  readonly shmSizeBytes?: number
  readonly resources?: Resources
  readonly cgroupParent?: string
  readonly rlimits?: readonly Rlimit[]
  readonly runtime?: string
  readonly networkNamespace?: NetworkNamespace
}

/** A failed step as it is written down; JSON, without the value of any secret. */
export interface FailedState {
  readonly version: 1
  /** The snapshot of what the step changed before it failed. */
  readonly id: SnapshotId
  /** The build that failed; a later success of the same makes this worthless. */
  readonly build: string
  readonly message: string
  readonly op: OpOf<'exec'>
  readonly inputs: readonly Result[]
  readonly note: Pick<OpNote, 'slot' | 'label' | 'title' | 'unkeyed'>
  /** Where the local directories among the inputs are. */
  readonly directories: Readonly<Record<string, string>>
  /** Absent: the usual ones. */
  readonly conditions?: StepConditions
}

/** A state that is not removed until this is disposed of. */
export interface OpenedState extends AsyncDisposable {
  readonly state: FailedState
}

export interface FailedStates {
  /** Keeps what `active` holds, which is thereby committed. */
  keep(state: Omit<FailedState, 'version' | 'id'>, active: Active): Promise<SnapshotId>
  /** The newest state, or the one with this id; undefined when there is none. */
  open(id?: SnapshotId): Promise<OpenedState | undefined>
  /** Removes a state; false when somebody works in it. */
  remove(id: SnapshotId): Promise<boolean>
  /** Removes all states but this one; those in use stay until the next time. */
  forgetOthers(id: SnapshotId): Promise<void>
  /** Removes what is kept of failures of this build. */
  forget(build: string): Promise<void>
}

export interface FailedStatesOptions {
  readonly native: Native
  readonly snapshotter: Pick<Snapshotter, 'has' | 'remove'>
}

/** The states below `directory`, made with mode 0700 when the first one is kept; any number of processes may share it. */
export function failedStates(directory: string, { native, snapshotter }: FailedStatesOptions): FailedStates {
  const pathOf = (id: SnapshotId, suffix: string): string => join(directory, `${id}.${suffix}`)

  /** Removes everything of a state, whatever of it is there, unless somebody uses it. */
  const collect = async (id: SnapshotId): Promise<boolean> => {
    const lock = await tryLock(pathOf(id, 'lock'), { native })
    if (lock === undefined) return false
    await using _lock = lock
    await snapshotter.remove(id)
    for (const suffix of ['json', 'json.new', 'lock']) rmSync(pathOf(id, suffix), { force: true })
    return true
  }

  const openState = async (id: SnapshotId): Promise<OpenedState | undefined> => {
    const lock = await tryLock(pathOf(id, 'lock'), { native, shared: true })
    if (lock === undefined) return undefined
    const state = readState(pathOf(id, 'json'))
    if (state !== undefined && (await snapshotter.has(id))) return { state, ...lock }
    await lock[Symbol.asyncDispose]()
    await collect(id)
    return undefined
  }

  return {
    async keep(kept, active) {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const id = randomBytes(16).toString('hex')
      // Another slipway that collects may hold it for a moment.
      const lock = await acquireLock(pathOf(id, 'lock'), { native, signal: new AbortController().signal })
      try {
        const state: FailedState = { version: 1, id, ...kept }
        writeFileSync(pathOf(id, 'json.new'), JSON.stringify(state), { mode: 0o600, flag: 'wx' })
        renameSync(pathOf(id, 'json.new'), pathOf(id, 'json'))
        // Only now: a record without its snapshot is collected by whoever finds it, a snapshot without its record by nobody.
        await active.commit(id)
      } finally {
        await lock[Symbol.asyncDispose]()
      }
      return id
    },
    async forgetOthers(id) {
      for (const other of idsIn(directory)) if (other !== id) await collect(other)
    },
    async open(id) {
      for (const one of id === undefined ? newestFirst(directory) : [id]) {
        const opened = await openState(one)
        if (opened !== undefined) return opened
      }
      return undefined
    },
    remove: collect,
    async forget(build) {
      for (const id of idsIn(directory)) {
        const state = readState(pathOf(id, 'json'))
        if (state === undefined || state.build === build) await collect(id)
      }
    },
  }
}

/** The ids of all states of which anything is there. */
function idsIn(directory: string): SnapshotId[] {
  try {
    return [...new Set(readdirSync(directory).flatMap((name) => /^([0-9a-f]{32})\./.exec(name)?.[1] ?? []))]
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw thrown
  }
}

function newestFirst(directory: string): SnapshotId[] {
  return idsIn(directory)
    .flatMap((id) => {
      const found = lstatSync(join(directory, `${id}.json`), { throwIfNoEntry: false })
      return found === undefined ? [] : [{ id, timeMs: found.mtimeMs }]
    })
    .sort((a, b) => b.timeMs - a.timeMs)
    .map(({ id }) => id)
}

/** Undefined when there is none, or one of another version. */
function readState(path: string): FailedState | undefined {
  try {
    const state = JSON.parse(readFileSync(path, 'utf8')) as FailedState
    return state.version === 1 ? state : undefined
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** The error of whoever asks for a failed step where there is none. */
export function noFailedState(): SlipwayError {
  return new SlipwayError({
    code: 'ERR_FAILED_STATE_MISSING',
    message: 'open a shell in the last failed step: there is none',
    hint: 'it is kept from the failure of a RUN until that build succeeds or another RUN fails',
  })
}
