// Workspaces that serve one layer after the other: what a committed layer left in its own is made ready for the next one
// when nobody waits for it. ext4 looks at every file removed within the last minutes before it makes one, so a step that
// makes and removes few is a quick one, and so are those behind it. Making and locking them is workspace.ts's.
import { mkdirSync, readdirSync, unlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { errnoOf, invariant } from '../core/error.ts'
import { onDisk } from '../store/storage-failure.ts'
import type { Native } from '../sys/native.ts'
import { markUnsynced } from './durability.ts'
import { removeTree } from './remove-tree.ts'
import { makeWorkspace, type Workspace } from './workspace.ts'

/**
 * One layer's time in a workspace. The same directory is another's afterwards, which whoever had it before must not touch: all
 * that it may do is asked here, and nothing has an effect on it any more once `end` was called.
 */
export interface Turn {
  /** Where `layer` (marked as unsynced, with the empty `fs` in it) and `work` are; not to be asked for after the end. */
  readonly path: string
  /** The layer has been renamed away. What else there is goes by itself: to the next one, if the turn ends at once. */
  leave(): void
  /** Removes everything, unless the layer has left; the second time does nothing. */
  end(): Promise<void>
}

export interface SpareWorkspacesOptions {
  /** The directory they are in. */
  readonly active: string
  readonly native: Native
  /** The running boot. */
  readonly boot: string
}

/** Those of one process. Disposing removes what waits for the next layer; turns that end later leave nothing either. */
export class SpareWorkspaces implements AsyncDisposable {
  readonly #options: SpareWorkspacesOptions
  /** Ready for a layer: each as a new one is, but for `work/kept`. */
  readonly #spare: Workspace[] = []
  readonly #leaving = new Set<Promise<void>>()
  #isDisposed = false

  constructor(options: SpareWorkspacesOptions) {
    this.#options = options
  }

  /** `isOneOfMany`: others will want one when this turn is over. */
  async take({ isOneOfMany }: { readonly isOneOfMany: boolean }): Promise<Turn> {
    return this.#turn(this.#spare.pop() ?? (await this.#make()), isOneOfMany)
  }

  /** Nothing is leaving any more; throws when something that left could not be removed. */
  async settle(): Promise<void> {
    await Promise.all(this.#leaving)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true
    await Promise.allSettled(this.#leaving)
    for (const workspace of this.#spare.splice(0)) await workspace.remove()
  }

  async #make(): Promise<Workspace> {
    const { active, native, boot } = this.#options
    const workspace = await makeWorkspace(active, native)
    const { path } = workspace
    try {
      await onDisk('create', path, async () => {
        mkdirSync(`${path}/work`, { mode: 0o700 })
        makeLayer(path, boot)
      })
      return workspace
    } catch (thrown) {
      await workspace.remove()
      throw thrown
    }
  }

  #turn(workspace: Workspace, isOneOfMany: boolean): Turn {
    let hasLeft = false
    let hasEnded = false
    return {
      get path() {
        invariant(!hasEnded, 'a layer is made in a workspace only before it is disposed')
        return workspace.path
      },
      leave: () => {
        hasLeft = true
        this.#leave(workspace, () => hasEnded && isOneOfMany)
      },
      async end() {
        if (hasEnded) return
        hasEnded = true
        if (!hasLeft) await workspace.remove()
      },
    }
  }

  /** The next step may start at once: its own process takes longer than this. A failure is for whoever settles. */
  #leave(workspace: Workspace, mayServeAgain: () => boolean): void {
    const leaving = setImmediate().then(async () => {
      const isRenewed =
        mayServeAgain() && !this.#isDisposed && (await renew(workspace.path, this.#options.boot))
      if (isRenewed) this.#spare.push(workspace)
      else await workspace.remove()
    })
    this.#leaving.add(leaving)
    leaving.then(
      () => this.#leaving.delete(leaving),
      () => undefined,
    )
  }
}

/** What is to be committed, marked as not being on disk: there it need not be done when somebody waits for the commit. */
function makeLayer(path: string, boot: string): void {
  mkdirSync(`${path}/layer`, { mode: 0o700 })
  mkdirSync(`${path}/layer/fs`, { mode: 0o755 })
  markUnsynced(`${path}/layer`, boot)
}

/** Whether what a layer left is now as if nobody had been there. */
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
