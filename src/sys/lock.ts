// Locks between processes: flock(2) on a file, released by the kernel when the holder dies. Two locks
// of one process on one file exclude each other too.
import { closeSync, fstatSync, openSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { Native } from './native.ts'

/** A held lock; disposing (any number of times) releases it. */
export interface Lock {
  [Symbol.asyncDispose](): Promise<void>
}

export interface LockOptions {
  readonly native: Native
  /** Any number of shared locks may be held together. */
  readonly shared?: boolean
}

/** Waits until the lock at `path` (made when missing, never removed) is held; rejects when the signal aborts. */
export async function acquireLock(
  path: string,
  options: LockOptions & { readonly signal: AbortSignal },
): Promise<Lock> {
  // Polling, because a blocking flock would occupy one of libuv's four threads for as long as it waits.
  for (let delayMs = 1; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
    options.signal.throwIfAborted()
    const lock = await tryLock(path, options)
    if (lock !== undefined) return lock
    await sleep(delayMs, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted())
  }
}

/** The lock, or undefined when somebody else holds it. */
export async function tryLock(path: string, options: LockOptions): Promise<Lock | undefined> {
  return tryLockSync(path, options)
}

/** As `tryLock`, for work that is done before anything else runs. */
export function tryLockSync(path: string, options: LockOptions): (Lock & Disposable) | undefined {
  const operation = options.shared === true ? operations.shared : operations.exclusive
  let fd: number | undefined
  try {
    // On this thread: a step takes several locks, and a trip to libuv's pool costs ten times what these calls do.
    // A plain descriptor: a FileHandle would be closed, and the lock lost, when it is garbage collected.
    fd = openSync(path, 'a', 0o600)
    if (options.native.addon().flock(fd, operation, false) && isCurrent(path, fd)) return heldLock(fd)
  } catch (cause) {
    if (fd !== undefined) closeSync(fd)
    throw lockError(path, cause)
  }
  closeSync(fd)
  return undefined
}

/** As `tryLockSync`, but throws the errno of the disk as it is. */
export function tryLockOnDisk(path: string, options: LockOptions): (Lock & Disposable) | undefined {
  try {
    return tryLockSync(path, options)
  } catch (thrown) {
    const { cause } = thrown as { readonly cause?: unknown }
    throw errnoOf(cause) === undefined ? thrown : cause
  }
}

const operations = { shared: 0, exclusive: 1 } as const
const longestDelayMs = 25

function heldLock(fd: number): Lock & Disposable {
  let held = true
  const release = (): void => {
    if (!held) return
    held = false
    closeSync(fd)
  }
  return { [Symbol.dispose]: release, [Symbol.asyncDispose]: async () => release() }
}

/** Whether `path` still names the locked file: a lock on a removed file excludes nobody. */
function isCurrent(path: string, fd: number): boolean {
  const named = statSync(path, { bigint: true, throwIfNoEntry: false })
  const locked = fstatSync(fd, { bigint: true })
  return named !== undefined && named.ino === locked.ino && named.dev === locked.dev
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
}

function lockError(path: string, cause: unknown): unknown {
  const errno = errnoOf(cause)
  if (errno === undefined) return cause
  return new SlipwayError({
    code: 'ERR_LOCK_FAILED',
    message: `lock ${path}: ${reasons[errno] ?? errno}`,
    data: { path, errno },
    cause,
  })
}
