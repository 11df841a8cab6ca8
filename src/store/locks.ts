// The store's use of file locks (flock through src/sys): taken around a body, released when it settles.
import { acquireLock, tryAcquireLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import { onDisk } from './storage-failure.ts'

export interface LockRequest {
  readonly path: string
  /** Several may hold it at once, but nobody exclusively meanwhile. */
  readonly shared?: true
  readonly signal?: AbortSignal
}

/** Runs `body` while holding the lock; waits for it. */
export async function withLock<T>(native: Native, request: LockRequest, body: () => Promise<T>): Promise<T> {
  const { path, ...options } = request
  const lock = await onDisk('lock', path, () => acquireLock(native, path, options))
  try {
    return await body()
  } finally {
    lock.release()
  }
}

/** Runs `body` while holding the lock alone, or returns undefined at once when somebody else has it. */
export async function tryLock<T>(
  native: Native,
  path: string,
  body: () => Promise<T>,
): Promise<T | undefined> {
  const lock = await onDisk('lock', path, () => tryAcquireLock(native, path))
  if (lock === undefined) return undefined
  try {
    return await body()
  } finally {
    lock.release()
  }
}
