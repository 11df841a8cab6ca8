// The store's use of file locks (flock through src/sys): taken around a body, released when it settles.
import { unlink } from 'node:fs/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { acquireLock, tryLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import { storageFailure } from './storage-failure.ts'

export interface LockRequest {
  readonly path: string
  /** Several may hold it at once, but nobody exclusively meanwhile. */
  readonly shared?: true
  /** For locks with many names: the file goes with its last use. */
  readonly remove?: true
  readonly signal?: AbortSignal
}

/** Runs `body` while holding the lock; waits for it. */
export async function withLock<T>(native: Native, request: LockRequest, body: () => Promise<T>): Promise<T> {
  const signal = request.signal ?? new AbortController().signal
  const options = { native, signal, ...(request.shared && { shared: true }) }
  const lock = await acquireLock(request.path, options).catch(notLocked(request.path))
  try {
    return await body()
  } finally {
    // While it is held: whoever has opened it already sees that it is gone and opens it anew.
    if (request.remove) await unlink(request.path).catch(() => undefined)
    await lock[Symbol.asyncDispose]()
  }
}

/** Runs `body` while holding the lock alone, or returns undefined at once when somebody else has it. */
export async function ifUnlocked<T>(
  native: Native,
  path: string,
  body: () => Promise<T>,
): Promise<T | undefined> {
  const lock = await tryLock(path, { native }).catch(notLocked(path))
  if (lock === undefined) return undefined
  try {
    return await body()
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}

/** A lock that cannot be had for reasons of the disk (read-only, full) is reported as other files of the store are. */
function notLocked(path: string): (thrown: unknown) => never {
  return (thrown) => {
    const cause = thrown instanceof SlipwayError ? thrown.cause : undefined
    throw errnoOf(cause) === undefined ? thrown : storageFailure('lock', path, cause)
  }
}
