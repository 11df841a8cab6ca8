// Locks between processes and within one; the kernel releases those of a killed holder.
import { type ChildProcess, spawn } from 'node:child_process'
import { once, setMaxListeners } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { acquireLock, tryLock } from '../../src/sys/lock.ts'
import { fsyncDirectory, syncFileSystem } from '../../src/sys/sync.ts'
import { testNative, withDirectory } from './native.ts'

const native = testNative()
const signal = new AbortController().signal
setMaxListeners(0, signal)

/** A process that holds the lock at `path` until it is killed. */
async function holder(path: string): Promise<ChildProcess> {
  const child = spawn('flock', ['-x', path, '-c', 'echo held; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  if (child.stdout !== null) await once(child.stdout, 'data')
  return child
}

describe('locks', () => {
  test('exclusive excludes, shared shares', async () => {
    await withDirectory(async (top) => {
      const path = join(top, 'l')
      const first = await tryLock(path, { native, shared: true })
      const second = await tryLock(path, { native, shared: true })
      expect(first).toBeDefined()
      expect(second).toBeDefined()
      expect(await tryLock(path, { native })).toBeUndefined()
      await first?.[Symbol.asyncDispose]()
      await second?.[Symbol.asyncDispose]()
      await second?.[Symbol.asyncDispose]()
      const exclusive = await tryLock(path, { native })
      expect(exclusive).toBeDefined()
      expect(await tryLock(path, { native, shared: true })).toBeUndefined()
      await exclusive?.[Symbol.asyncDispose]()
    })
  })

  test('waiters go one at a time', async () => {
    await withDirectory(async (top) => {
      let inside = 0
      let most = 0
      await Promise.all(
        Array.from({ length: 12 }, async () => {
          const lock = await acquireLock(join(top, 'l'), { native, signal })
          most = Math.max(most, ++inside)
          await new Promise((resolve) => setTimeout(resolve, 2))
          inside--
          await lock[Symbol.asyncDispose]()
        }),
      )
      expect(most).toBe(1)
    })
  })

  test('a killed holder releases at once', async () => {
    await withDirectory(async (top) => {
      const path = join(top, 'l')
      const child = await holder(path)
      expect(await tryLock(path, { native })).toBeUndefined()
      const waiting = acquireLock(path, { native, signal })
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      const lock = await waiting
      await lock[Symbol.asyncDispose]()
    })
  })

  test('children do not keep a lock of their parent', async () => {
    await withDirectory(async (top) => {
      const path = join(top, 'l')
      const lock = await acquireLock(path, { native, signal })
      const child = spawn('sleep', ['60'], { stdio: 'ignore' })
      await once(child, 'spawn')
      await lock[Symbol.asyncDispose]()
      const again = await tryLock(path, { native })
      expect(again).toBeDefined()
      await again?.[Symbol.asyncDispose]()
      child.kill('SIGKILL')
    })
  })

  test('waiting ends when the build is aborted', async () => {
    await withDirectory(async (top) => {
      const lock = await acquireLock(join(top, 'l'), { native, signal })
      const abort = new AbortController()
      const waiting = acquireLock(join(top, 'l'), { native, signal: abort.signal })
      setTimeout(() => abort.abort(new Error('interrupted')), 20)
      await expect(waiting).rejects.toThrow('interrupted')
      await lock[Symbol.asyncDispose]()
    })
  })

  test('a lock on a removed file does not count', async () => {
    await withDirectory(async (top) => {
      const path = join(top, 'l')
      const old = await acquireLock(path, { native, signal })
      rmSync(path)
      const fresh = await tryLock(path, { native })
      expect(fresh).toBeDefined()
      await old[Symbol.asyncDispose]()
      await fresh?.[Symbol.asyncDispose]()
      await expect(tryLock(join(top, 'no/such'), { native })).rejects.toMatchObject({
        code: 'ERR_LOCK_FAILED',
      })
    })
  })
})

test('syncing a directory and its file system', async () => {
  await withDirectory(async (top) => {
    await fsyncDirectory(top)
    await syncFileSystem(top, native)
    await expect(syncFileSystem(join(top, 'absent'), native)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
