// Locks between processes: flock(2) on a file, released by the kernel when the holder dies. Two locks
// of one process on one file exclude each other too.
import { close, fstat, open } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
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
  // A plain descriptor: a FileHandle would be closed, and the lock lost, when it is garbage collected.
  const fd = await openFile(path).catch((cause: unknown) => {
    throw lockError(path, cause)
  })
  try {
    const operation = options.shared === true ? operations.shared : operations.exclusive
    if (options.native.addon().flock(fd, operation, false) && (await isCurrent(path, fd))) {
      return heldLock(fd)
    }
  } catch (cause) {
    await closeFile(fd)
    throw lockError(path, cause)
  }
  await closeFile(fd)
  return undefined
}

const operations = { shared: 0, exclusive: 1 } as const
const longestDelayMs = 25
const openFile = (path: string): Promise<number> => promisify(open)(path, 'a', 0o600)
const closeFile = promisify(close)
const statOpen = promisify(fstat)

function heldLock(fd: number): Lock {
  let held = true
  return {
    async [Symbol.asyncDispose]() {
      if (!held) return
      held = false
      await closeFile(fd)
    },
  }
}

/** Whether `path` still names the locked file: a lock on a removed file excludes nobody. */
async function isCurrent(path: string, fd: number): Promise<boolean> {
  const [named, locked] = await Promise.all([
    stat(path, { bigint: true }).catch(() => undefined),
    statOpen(fd, { bigint: true }),
  ])
  return named !== undefined && named.ino === locked.ino && named.dev === locked.dev
}

function lockError(path: string, cause: unknown): unknown {
  const errno = errnoOf(cause)
  if (errno === undefined) return cause
  return new SlipwayError({
    code: 'ERR_LOCK_FAILED',
    message: `lock ${path}: ${errno}`,
    data: { path, errno },
    cause,
  })
}
