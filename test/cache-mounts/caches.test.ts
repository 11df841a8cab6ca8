import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Caches, openCaches } from '../../src/cache-mounts/caches.ts'
import type { Sharing } from '../../src/cache-mounts/hold.ts'
import { cacheName, shownId } from '../../src/cache-mounts/name.ts'
import { openOverlaySnapshotter } from '../../src/snapshot/overlay-snapshotter.ts'
import { openNative } from '../../src/sys/native.ts'

const native = openNative(resolve(import.meta.dirname, '../../dist'))

describe('caches', () => {
  let root: string
  let caches: Caches
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'slipway-caches-'))
    const snapshotter = await openOverlaySnapshotter(root, native)
    caches = openCaches({ root, native, snapshotter })
  })
  afterEach(() => rmSync(root, { recursive: true }))

  const signal = () => new AbortController().signal
  const use = (sharing: Sharing, id = '/c', fill = async (): Promise<void> => undefined) =>
    caches.use({ identity: { id }, sharing, fill }, signal())
  const instanceOf = (cache: { directory: string }) => cache.directory.slice(root.length).split('/')[3]

  it('shared is the same for all, and made once', async () => {
    let made = 0
    const fill = async (): Promise<void> => {
      made++
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const all = await Promise.all([1, 2, 3].map(() => use('shared', '/c', fill)))
    expect(all.map(instanceOf)).toEqual(['0', '0', '0'])
    expect(made).toBe(1)
    for (const cache of all) await cache[Symbol.asyncDispose]()
    expect(readdirSync(join(root, 'active'))).toEqual([])
    expect(readdirSync(join(root, 'locks')).filter((name) => /make|active/.test(name))).toEqual([])
  })

  it('private is one that nobody has, and one of those there are when they are free', async () => {
    const first = await use('private')
    const second = await use('private')
    const shared = await use('shared')
    expect([first, second, shared].map(instanceOf)).toEqual(['0', '1', '2'])
    await second[Symbol.asyncDispose]()
    expect(instanceOf(await use('private'))).toBe('1')
  })

  it('locked waits for one to be free', async () => {
    const first = await use('locked')
    const order: string[] = []
    const second = use('locked').then((cache) => {
      order.push('second')
      return cache
    })
    await new Promise((resolve) => setTimeout(resolve, 120))
    order.push('first ends')
    await first[Symbol.asyncDispose]()
    expect(instanceOf(await second)).toBe('0')
    expect(order).toEqual(['first ends', 'second'])
  })

  it('locked waits for those who share, too, and stops waiting when the build does', async () => {
    await using _shared = await use('shared')
    const abort = new AbortController()
    const waiting = caches.use(
      { identity: { id: '/c' }, sharing: 'locked', fill: async () => undefined },
      abort.signal,
    )
    setTimeout(() => abort.abort(new Error('canceled')), 50)
    await expect(waiting).rejects.toThrow('canceled')
  })

  it('a process that dies lets go', async () => {
    await (await use('locked'))[Symbol.asyncDispose]()
    const lock = join(root, `locks/cache-${cacheName({ id: '/c' })}-0`)
    const other = spawn('flock', ['-x', lock, 'sleep', '60'], { detached: true })
    const free = async (): Promise<boolean> => {
      const cache = await use('private')
      await cache[Symbol.asyncDispose]()
      return instanceOf(cache) === '0'
    }
    await expect.poll(free).toBe(false)
    process.kill(-(other.pid ?? 0), 'SIGKILL')
    await expect.poll(free).toBe(true)
  })

  it('what could not be filled is not there', async () => {
    const failing = use('shared', '/c', async () => {
      throw new Error('no space')
    })
    await expect(failing).rejects.toThrow('no space')
    expect(existsSync(join(root, 'cache-mounts', cacheName({ id: '/c' })))).toBe(false)
    expect(readdirSync(join(root, 'active'))).toEqual([])
    expect(instanceOf(await use('private'))).toBe('0')
  })

  it('are listed by id, with every directory there is', async () => {
    await use('private', '//b')
    await use('private', '//b')
    await use('private', 'ns//a')
    // What a power cut may leave.
    mkdirSync(join(root, 'cache-mounts/x/0/fs'), { recursive: true })
    mkdirSync(join(root, 'cache-mounts', '0'.repeat(64), '0/fs'), { recursive: true })
    writeFileSync(join(root, 'cache-mounts', '0'.repeat(64), 'cache.json'), '')
    const list = await caches.list()
    expect(list.map(({ identity, instance }) => [shownId(identity.id), instance])).toEqual([
      ['/b', 0],
      ['/b', 1],
      ['ns//a', 0],
    ])
    expect(JSON.parse(readFileSync(join(list[0]?.directory ?? '', '../../cache.json'), 'utf8'))).toEqual({
      version: 1,
      id: '//b',
    })
  })
})
