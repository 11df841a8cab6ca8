// Snapshots as plain directories for overlayfs: `snapshots/<id>/fs` when committed, `active/<random>/{layer/fs,work}` while
// being made (workspace.ts). Nothing is mounted here. Other processes work in the same directories at the same time.
// The few calls of a step are made on this thread: each is far cheaper than a trip to libuv's pool.
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync, utimesSync } from 'node:fs'
import { readdir, rename } from 'node:fs/promises'
import { errnoOf, invariant } from '../core/error.ts'
import { type Pin, snapshotPart } from '../store/leases.ts'
import { onDisk, storageFailure } from '../store/storage-failure.ts'
import { acquireLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import { spreadDirectories } from '../sys/spread-directories.ts'
import { syncFileSystem } from '../sys/sync.ts'
import { type CopiedRoot, copyRoot } from './copied-root.ts'
import { bootId, durabilityOf, isOfThisBoot, markDurable, noteBoot } from './durability.ts'
import { removeTree } from './remove-tree.ts'
import { SpareWorkspaces, type Turn } from './spare-workspaces.ts'
import type { Active, SnapshotId, Snapshotter } from './types.ts'
import { makeWorkspace, sweepWorkspaces } from './workspace.ts'

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
  readonly #workspaces: SpareWorkspaces
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
    this.#workspaces = new SpareWorkspaces({ active: directories.active, native, boot: this.#boot })
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
    const turn = await this.#workspaces.take({ isOneOfMany })
    try {
      const { path } = turn
      const upper = `${path}/layer/fs`
      const lower = parents.map((id) => this.path(id))
      await onDisk('create', path, async () => {
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
          return await this.#commit(turn, id)
        },
        [Symbol.asyncDispose]: () => turn.end(),
      }
    } catch (thrown) {
      await turn.end()
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
    const workspace = await makeWorkspace(this.#directories.active, this.#native)
    try {
      await rename(directory, `${workspace.path}/removed`)
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', directory, thrown)
    } finally {
      await workspace.remove()
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
    await this.#workspaces.settle()
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
    await sweepWorkspaces(this.#directories.active, this.#native)
    const { snapshots } = this.#directories
    for (const id of await onDisk('list', snapshots, () => readdir(snapshots))) {
      if (idPattern.test(id) && durabilityOf(this.#directory(id), this.#boot) === 'doubtful')
        await this.remove(id)
    }
    await onDisk('create', this.#sweptMark, async () => noteBoot(this.#sweptMark, this.#boot))
  }

  /** Snapshots become doubtful when the machine goes down, so looking at all of them once after it came up will do. */
  async #sweepWhatIsDue(): Promise<void> {
    if (isOfThisBoot(this.#sweptMark, this.#boot))
      await sweepWorkspaces(this.#directories.active, this.#native)
    else await this.sweep()
  }

  get #sweptMark(): string {
    return `${this.#directories.locks}/swept`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workspaces[Symbol.asyncDispose]()
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

  async #commit(turn: Turn, id: SnapshotId): Promise<SnapshotId> {
    const layer = `${turn.path}/layer`
    const target = this.#directory(id)
    this.#pin?.([snapshotPart(id)])
    await onDisk('commit', target, async () => {
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
    turn.leave()
    return id
  }

  #directory(id: SnapshotId): string {
    invariant(idPattern.test(id), `snapshot id ${JSON.stringify(id)}`)
    return `${this.#directories.snapshots}/${id}`
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
