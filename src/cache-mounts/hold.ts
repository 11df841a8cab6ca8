// Which directory of a cache a step gets while others use it too: locks of the kernel, gone with the process that held
// them. As in BuildKit: `shared` takes what others share, `private` one that nobody uses, `locked` waits for one.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Lock, tryLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'

export type Sharing = 'shared' | 'private' | 'locked'

export interface Hold extends AsyncDisposable {
  /** Which of the cache's directories. */
  readonly instance: number
}

export interface HoldRequest {
  readonly sharing: Sharing
  /** The path of the lock of an instance. */
  lockPath(instance: number): string
  /** Whether the instance was ever used. */
  exists(instance: number): boolean
  readonly signal: AbortSignal
}

const pollMs = 50

/** Holds one of the cache's directories; waits only for `locked`. */
export async function hold(native: Native, request: HoldRequest): Promise<Hold> {
  const { signal } = request
  for (;;) {
    signal.throwIfAborted()
    const found = await firstFree(native, request)
    if (found !== undefined) return found
    await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/** Undefined only for `locked`: the others go on to a directory that does not exist yet. */
async function firstFree(native: Native, request: HoldRequest): Promise<Hold | undefined> {
  const { sharing, lockPath, exists } = request
  for (let instance = 0; ; instance++) {
    if (sharing === 'locked' && instance > 0 && !exists(instance)) return undefined
    const options = sharing === 'shared' ? { native, shared: true } : { native }
    const lock: Lock | undefined = await tryLock(lockPath(instance), options)
    if (lock !== undefined) return { instance, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() }
  }
}
