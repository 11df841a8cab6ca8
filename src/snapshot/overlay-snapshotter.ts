// Snapshots as plain directories for overlayfs: `snapshots/<id>/fs` when committed, `active/<random>/{layer/fs,work}`
// while being made, with `active/<random>.lock` held. Nothing is mounted here. Other processes work in the same directories at the same time.
// The few calls of a step are made on this thread: each is far cheaper than a trip to libuv's pool.
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { readdir, rename } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { errnoOf, invariant } from '../core/error.ts'
import { type Pin, snapshotPart } from '../store/leases.ts'
import { onDisk, storageFailure } from '../store/storage-failure.ts'
import { acquireLock, type Lock, tryLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import { spreadDirectories } from '../sys/spread-directories.ts'
import { syncFileSystem } from '../sys/sync.ts'
import { type CopiedRoot, copyRoot } from './copied-root.ts'
import { bootId, durabilityOf, isOfThisBoot, markDurable, markUnsynced, noteBoot } from './durability.ts'
import { removeTree } from './remove-tree.ts'
import type { Active, SnapshotId, Snapshotter } from './types.ts'

/** Disposing removes what was kept for further snapshots; committed ones stay. */
export interface OverlaySnapshotter extends Snapshotter, AsyncDisposable {
  /** Removes what processes that died left half-made or half-removed; what living ones work on stays. Done by itself before the first layer is made. */
  sweep(): Promise<void>
  /** Ids of all committed snapshots. */
  list(): Promise<readonly SnapshotId[]>
}

const idPattern = /^[A-Za-z0-9]{1,128}$/

export interface SnapshotterOptions {
  /** Hears of each snapshot before it is looked for or gets its name; absent: nobody removes any meanwhile. */
  readonly pin?: Pin
  /** Nothing is made: for state directories on read-only or full disks. */
  readonly readOnly?: boolean
  /** See Snapshotter. */
  readonly copies?: boolean
}

/** The snapshots below `root` (made with mode 0700 when missing; one file system). */
export async function openOverlaySnapshotter(
  root: string,
  native: Native,
  { pin, readOnly = false, copies = false }: SnapshotterOptions = {},
): Promise<OverlaySnapshotter> {
  const directories: Directories = {
    root,
    snapshots: `${root}/snapshots`,
    active: `${root}/active`,
    locks: `${root}/locks`,
  }
  for (const path of readOnly ? [] : [directories.snapshots, directories.active, directories.locks]) {
    await onDisk('create', path, async () => {
      const made = mkdirSync(path, { recursive: true, mode: 0o700 })
      // A layer stays where it was made, and nothing it is made with there is near what others remove.
      if (made !== undefined && path === directories.active) spreadDirectories(path, native)
    })
  }
  return new Overlay(directories, native, { pin, copies })
}

interface Directories {
  readonly root: string
  readonly snapshots: string
  readonly active: string
  readonly locks: string
}

class Overlay implements OverlaySnapshotter {
  readonly #directories: Directories
  readonly #native: Native
  readonly #pin: Pin | undefined
  readonly #boot = bootId()
  readonly copies: boolean
  /** Snapshots that this process made or relies on and that are not known to be on disk. */
  readonly #unsynced = new Set<SnapshotId>()
  /** One per id in this process; the file lock is for the other processes. */
  readonly #making = new Map<SnapshotId, Promise<void>>()
  /** What is left of committed ones is made ready for the next, or goes, when nobody waits for it. */
  readonly #leaving = new Set<Promise<void>>()
  /** Empty ones. */
  readonly #spare: Workspace[] = []
  #isDisposed = false
  #swept: Promise<void> | undefined

  constructor(
    directories: Directories,
    native: Native,
    { pin, copies }: { readonly pin: Pin | undefined; readonly copies: boolean },
  ) {
    this.#directories = directories
    this.#native = native
    this.#pin = pin
    this.copies = copies
  }

  prepare(parents: readonly SnapshotId[]): Promise<Active> {
    return this.#prepare(parents, { copies: this.copies && parents.length > 0, isOneOfMany: true })
  }

  async #prepare(
    parents: readonly SnapshotId[],
    { copies, isOneOfMany }: { readonly copies: boolean; readonly isOneOfMany: boolean },
  ): Promise<Active> {
    this.#swept ??= this.#sweepWhatIsDue()
    await this.#swept
    const spare = this.#spare.pop()
    const workspace = spare ?? (await this.#workspace())
    try {
      const { path } = workspace
      const upper = `${path}/layer/fs`
      const lower = parents.map((id) => this.path(id))
      await onDisk('create', path, async () => {
        if (spare === undefined) {
          mkdirSync(`${path}/work`, { mode: 0o700 })
          makeLayer(path, this.#boot)
        }
        // The merged root is the top layer's root, so that one has to carry on what it was.
        const below = lower.at(-1)
        if (below === undefined) chmodSync(upper, 0o755)
        else copyMetadata(lstatSync(below), upper)
      })
      const copied = copies ? await this.#copyOf(lower, path) : undefined
      return {
        parents: lower,
        lower: copied === undefined ? lower : [],
        upper: copied === undefined ? upper : copied.directory,
        work: `${path}/work`,
        commit: async (id = randomBytes(16).toString('hex')) => {
          if (copied !== undefined) {
            await copied.takeChanges(upper)
            await onDisk('remove', copied.directory, () => removeTree(copied.directory))
          }
          return await this.#commit(workspace, id)
        },
        [Symbol.asyncDispose]: async () => {
          workspace.mayServeAgain = isOneOfMany
          if (!workspace.isLeaving) await this.#discard(workspace)
        },
      }
    } catch (thrown) {
      await this.#discard(workspace)
      throw thrown
    }
  }

  async #copyOf(lower: readonly string[], path: string): Promise<CopiedRoot> {
    const directory = `${path}/copy`
    await onDisk('create', directory, async () => {
      mkdirSync(directory, { mode: 0o755 })
      copyMetadata(lstatSync(`${path}/layer/fs`), directory)
    })
    return await copyRoot(lower, directory, this.#native)
  }

  async has(id: SnapshotId): Promise<boolean> {
    this.#directory(id)
    this.#pin?.([snapshotPart(id)])
    return this.#isUsable(id)
  }

  #isUsable(id: SnapshotId): boolean {
    const directory = this.#directory(id)
    if (lstatSync(`${directory}/fs`, { throwIfNoEntry: false }) === undefined) return false
    const durability = durabilityOf(directory, this.#boot)
    if (durability === 'unsynced') this.#unsynced.add(id)
    return durability !== 'doubtful'
  }

  path(id: SnapshotId): string {
    return `${this.#directory(id)}/fs`
  }

  async remove(id: SnapshotId): Promise<void> {
    this.#unsynced.delete(id)
    const directory = this.#directory(id)
    const workspace = await this.#workspace()
    try {
      await rename(directory, `${workspace.path}/removed`)
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', directory, thrown)
    } finally {
      await this.#discard(workspace)
    }
  }

  async ensure(
    id: SnapshotId,
    signal: AbortSignal,
    body: (active: Active) => Promise<void>,
    parents: readonly SnapshotId[] = [],
  ): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      if (await this.has(id)) return
      const other = this.#making.get(id)
      if (other === undefined) break
      // If the other attempt fails it is not our failure: the next turn makes our own.
      await settled(other, signal)
    }
    const making = this.#make(id, { signal, body, parents })
    this.#making.set(id, making)
    try {
      await making
    } finally {
      this.#making.delete(id)
    }
  }

  async flush(): Promise<void> {
    await Promise.all(this.#leaving)
    if (this.#unsynced.size === 0) return
    const ids = [...this.#unsynced]
    const { root } = this.#directories
    await onDisk('sync', root, () => syncFileSystem(root, this.#native))
    for (const id of ids) {
      markDurable(this.#directory(id))
      this.#unsynced.delete(id)
    }
  }

  async list(): Promise<readonly SnapshotId[]> {
    const names = await onDisk('list', this.#directories.snapshots, () =>
      readdir(this.#directories.snapshots),
    )
    return names.filter((name) => idPattern.test(name) && this.#isUsable(name))
  }

  async sweep(): Promise<void> {
    await this.#sweepActive()
    const { snapshots } = this.#directories
    for (const id of await onDisk('list', snapshots, () => readdir(snapshots))) {
      if (idPattern.test(id) && durabilityOf(this.#directory(id), this.#boot) === 'doubtful')
        await this.remove(id)
    }
    await onDisk('create', this.#sweptMark, async () => noteBoot(this.#sweptMark, this.#boot))
  }

  /** Snapshots become doubtful when the machine goes down, so looking at all of them once after it came up will do. */
  async #sweepWhatIsDue(): Promise<void> {
    if (isOfThisBoot(this.#sweptMark, this.#boot)) await this.#sweepActive()
    else await this.sweep()
  }

  get #sweptMark(): string {
    return `${this.#directories.locks}/swept`
  }

  async #sweepActive(): Promise<void> {
    const { active } = this.#directories
    const found = await onDisk('list', active, () => readdir(active))
    // A process may have died when it had no more than the lock.
    for (const name of new Set(found.map((file) => file.replace(/\.lock$/, '')))) {
      const lock = await tryLock(this.#lockPath(name), { native: this.#native })
      if (lock !== undefined) await this.#discard(workspaceOf(`${active}/${name}`, name, lock))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true
    await Promise.allSettled(this.#leaving)
    for (const workspace of this.#spare.splice(0)) await this.#discard(workspace)
  }

  async #make(
    id: SnapshotId,
    task: {
      readonly signal: AbortSignal
      readonly body: (active: Active) => Promise<void>
      readonly parents: readonly SnapshotId[]
    },
  ): Promise<void> {
    this.#directory(id)
    const path = `${this.#directories.locks}/snapshot-${id}`
    await using _lock = await acquireLock(path, { native: this.#native, signal: task.signal })
    if (await this.has(id)) return
    // What is unpacked is a layer already, and written as one.
    await using active = await this.#prepare(task.parents, { copies: false, isOneOfMany: false })
    await task.body(active)
    task.signal.throwIfAborted()
    await active.commit(id)
  }

  /** A new directory that no sweep touches while this process lives. */
  async #workspace(): Promise<Workspace> {
    let name: string
    let lock: Lock | undefined
    // Locked before it exists: a directory whose lock is free belongs to nobody. Whoever sweeps such locks away may have
    // taken one between its making and its locking; then that name is not used.
    do {
      name = randomBytes(16).toString('hex')
      lock = await tryLock(this.#lockPath(name), { native: this.#native })
    } while (lock === undefined)
    const path = `${this.#directories.active}/${name}`
    const workspace = workspaceOf(path, name, lock)
    try {
      await onDisk('create', path, async () => mkdirSync(path, { mode: 0o700 }))
      return workspace
    } catch (thrown) {
      await this.#discard(workspace)
      throw thrown
    }
  }

  async #commit(workspace: Workspace, id: SnapshotId): Promise<SnapshotId> {
    const target = this.#directory(id)
    this.#pin?.([snapshotPart(id)])
    await onDisk('commit', target, async () => {
      const layer = `${workspace.path}/layer`
      for (;;) {
        try {
          renameSync(layer, target)
          break
        } catch (thrown) {
          if (errnoOf(thrown) !== 'ENOTEMPTY' && errnoOf(thrown) !== 'EEXIST') throw thrown
          // Equal ids mean equal content, so the one that is there will do if it can be trusted.
          if (await this.has(id)) return
          await this.remove(id)
        }
      }
      this.#unsynced.add(id)
    })
    workspace.isLeaving = true
    this.#leave(workspace)
    return id
  }

  /** The next step may start at once: its own process takes longer than this. A failure is for whoever flushes. */
  #leave(workspace: Workspace): void {
    const leaving = setImmediate().then(async () => {
      const isRenewed =
        workspace.mayServeAgain && !this.#isDisposed && (await renew(workspace.path, this.#boot))
      if (!isRenewed) return await this.#discard(workspace)
      workspace.mayServeAgain = false
      workspace.isLeaving = false
      this.#spare.push(workspace)
    })
    this.#leaving.add(leaving)
    leaving.then(
      () => this.#leaving.delete(leaving),
      () => undefined,
    )
  }

  async #discard(workspace: Workspace): Promise<void> {
    try {
      await onDisk('remove', workspace.path, () => removeTree(workspace.path))
    } finally {
      await this.#release(workspace)
    }
  }

  async #release(workspace: Workspace): Promise<void> {
    if (workspace.isReleased) return
    workspace.isReleased = true
    const { name, lock } = workspace
    // Nobody else ever makes this name, so the file may go while it is still locked.
    try {
      unlinkSync(this.#lockPath(name))
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', this.#lockPath(name), thrown)
    }
    await lock[Symbol.asyncDispose]()
  }

  #directory(id: SnapshotId): string {
    invariant(idPattern.test(id), `snapshot id ${JSON.stringify(id)}`)
    return `${this.#directories.snapshots}/${id}`
  }

  #lockPath(name: string): string {
    return `${this.#directories.active}/${name}.lock`
  }
}

interface Workspace {
  readonly path: string
  readonly name: string
  readonly lock: Lock
  isReleased: boolean
  /** Whoever had it is done with it, and others will want one. */
  mayServeAgain: boolean
  /** Removed or renewed by itself, since it was committed. */
  isLeaving: boolean
}

function workspaceOf(path: string, name: string, lock: Lock): Workspace {
  return { path, name, lock, isReleased: false, mayServeAgain: false, isLeaving: false }
}

/** What is to be committed, marked as not being on disk: there it need not be done when somebody waits for the commit. */
function makeLayer(path: string, boot: string): void {
  mkdirSync(`${path}/layer`, { mode: 0o700 })
  mkdirSync(`${path}/layer/fs`, { mode: 0o755 })
  markUnsynced(`${path}/layer`, boot)
}

/**
 * Makes what a snapshot left the workspace of the next. ext4 looks at every file removed within the last minutes before it
 * makes one, so a step that makes and removes few is a quick one, and so are those behind it.
 */
async function renew(path: string, boot: string): Promise<boolean> {
  try {
    for (const entry of readdirSync(`${path}/work`, { withFileTypes: true })) {
      const left = `${path}/work/${entry.name}`
      if (entry.name === 'kept') continue
      if (entry.isDirectory()) await removeTree(left)
      else unlinkSync(left)
    }
    makeLayer(path, boot)
    return true
  } catch (thrown) {
    // The disk may be full, which is no failure of what was committed.
    if (errnoOf(thrown) === undefined) throw thrown
    return false
  }
}

function copyMetadata(from: Stats, to: string): void {
  chownSync(to, from.uid, from.gid)
  chmodSync(to, from.mode & 0o7777)
  utimesSync(to, from.mtime, from.mtime)
}

/** Resolves when `task` has ended in whatever way, or when the signal is aborted. */
async function settled(task: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = (): void => undefined
  const aborted = new Promise<void>((resolve) => {
    stop = resolve
    signal.addEventListener('abort', stop, { once: true })
  })
  await Promise.race([task.catch(() => undefined), aborted])
  signal.removeEventListener('abort', stop)
}
