import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLocalCache } from '../../src/cache/local-cache.ts'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import type { Cache } from '../../src/solve/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { describeCache } from '../contract/cache.ts'
import { sampleRecord } from './samples.ts'

const dist = new URL('../../dist', import.meta.url).pathname
const native = openNative(dist)

async function temporary(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'slipway-cache-'))
}

interface Opened {
  readonly root: string
  readonly log: string[]
  readonly snapshots: Set<string>
  open(): ReturnType<typeof openLocalCache>
}

async function opened(): Promise<Opened> {
  const root = await temporary()
  const log: string[] = []
  const snapshots = new Set(['a', 'b'])
  return {
    root,
    log,
    snapshots,
    open: () =>
      openLocalCache(root, {
        native,
        hasSnapshot: async (id) => snapshots.has(id),
        hasArchive: async () => true,
        sync: async () => {
          log.push(`sync with ${(await recordFiles(root)).length} records`)
        },
        publishIntervalMs: 0,
      }),
  }
}

async function recordFiles(root: string): Promise<string[]> {
  const names = await readdir(`${root}/records`, { recursive: true })
  return names.filter((name) => name.endsWith('.json')).map((name) => `${root}/records/${name}`)
}

describeCache('local', async () => {
  const { root, snapshots, open } = await opened()
  const caches: Cache[] = []
  return {
    open: async () => {
      const cache = await open()
      caches.push(cache)
      return cache
    },
    snapshots,
    close: async () => {
      for (const cache of caches) await cache.flush()
      await rm(root, { recursive: true })
    },
  }
})

describe('local cache', () => {
  test('a record is written only behind a sync of its snapshots', async () => {
    const { root, log, open } = await opened()
    const cache = await open()
    await cache.put(sampleRecord('a'), [digestOf('x')])
    expect(await recordFiles(root)).toEqual([])
    await cache.flush()
    expect(log).toEqual(['sync with 0 records'])
    expect(await recordFiles(root)).toHaveLength(2)
    await rm(root, { recursive: true })
  })

  test('a build that only hits writes nothing and syncs nothing', async () => {
    const { root, log, open } = await opened()
    const cold = await open()
    const record = sampleRecord('a')
    await cold.put(record, [])
    await cold.flush()
    log.length = 0
    const warm = await open()
    expect(await warm.get(record.id)).toEqual(record)
    await warm.flush()
    expect(log).toEqual([])
    await rm(root, { recursive: true })
  })

  test('a hit marks the record as used now', async () => {
    const { root, open } = await opened()
    const cache = await open()
    const record = sampleRecord('a')
    await cache.put(record, [])
    await cache.flush()
    const [path = ''] = await recordFiles(root)
    await utimes(path, 1, 1)
    await cache.get(record.id)
    await cache.flush()
    expect((await stat(path)).mtimeMs).toBeGreaterThan((await stat(root)).birthtimeMs - 1000)
    await rm(root, { recursive: true })
  })

  test.each(['', '{', '[]', '{"version":2}', 'null'])(
    'a damaged file (%j) is a miss, and is replaced',
    async (text) => {
      const { root, open } = await opened()
      const record = sampleRecord('a')
      const first = await open()
      await first.put(record, [])
      await first.flush()
      const [path = ''] = await recordFiles(root)
      await writeFile(path, text)
      const second = await open()
      expect(await second.get(record.id)).toBeUndefined()
      await second.put(record, [])
      await second.flush()
      expect(await (await open()).get(record.id)).toEqual(record)
      await rm(root, { recursive: true })
    },
  )

  test('files are private and no temporary ones stay', async () => {
    const { root, open } = await opened()
    const cache = await open()
    await cache.put(sampleRecord('a'), [])
    await cache.flush()
    const [path = ''] = await recordFiles(root)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(`${root}/records`)).mode & 0o777).toBe(0o700)
    expect(await readdir(`${root}/ingest`)).toEqual([])
    await rm(root, { recursive: true })
  })
})

describe('local cache between processes', () => {
  let child = ''
  let directory = ''
  beforeAll(async () => {
    directory = await temporary()
    child = join(directory, 'child.cjs')
    const entry = new URL('child.ts', import.meta.url).pathname
    buildSync({
      entryPoints: [entry],
      outfile: child,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'silent',
    })
  })
  afterAll(() => rm(directory, { recursive: true }))

  const start = (root: string, mode: string) =>
    spawn(process.execPath, [child, root, dist, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  const shared = async (): Promise<string> => {
    const root = await temporary()
    await mkdir(`${root}/snapshots`)
    return root
  }

  test('two processes with the same work do every step once', async () => {
    const root = await shared()
    const ends = [start(root, 'work'), start(root, 'work')].map((process) => once(process, 'exit'))
    for (const [code] of await Promise.all(ends)) expect(code).toBe(0)
    const made = (await readFile(`${root}/made`, 'utf8')).trim().split('\n')
    expect(made.sort()).toEqual([...new Set(made)].sort())
    expect(made).toHaveLength(20)
    await rm(root, { recursive: true })
  })

  test('whoever waits for a process that is killed in the middle of a step makes it', async () => {
    const root = await shared()
    const victim = start(root, 'hold')
    await once(victim.stdout, 'data')
    const cache = await openLocalCache(root, {
      native,
      hasSnapshot: async () => true,
      hasArchive: async () => true,
      sync: async () => undefined,
    })
    const record = sampleRecord('held')
    let isAlive = true
    const waiting = cache.exclusive(record.id, new AbortController().signal, async () => {
      expect(isAlive).toBe(false)
      return (await cache.get(record.id)) ?? 'made'
    })
    const ended = once(victim, 'exit')
    isAlive = !victim.kill('SIGKILL')
    await ended
    expect(await waiting).toBe('made')
    await cache.flush()
    expect(await readdir(`${root}/locks`)).toEqual([])
    await rm(root, { recursive: true })
  })

  test('a process killed while it writes leaves only whole records, and no lock', async () => {
    for (let round = 0; round < 5; round++) {
      const root = await shared()
      const victim = start(root, 'endless')
      await once(victim.stdout, 'data')
      victim.kill('SIGKILL')
      await once(victim, 'exit')
      const cache = await openLocalCache(root, {
        native,
        hasSnapshot: async (id) => existsSync(`${root}/snapshots/${id}`),
        hasArchive: async () => true,
        sync: async () => undefined,
      })
      const paths = await recordFiles(root)
      for (const path of paths) {
        const text = await readFile(path, 'utf8')
        expect(JSON.parse(text)).toHaveProperty('version', 1)
      }
      // Every record that is there can be used; at most aliases whose record did not make it lead nowhere.
      for (let i = 0; i < 30; i++) {
        const { id } = sampleRecord(`endless${i}`)
        if (paths.some((path) => path.endsWith(`${hexOf(id)}.json`)))
          expect(await cache.get(id)).toBeDefined()
        expect(await cache.exclusive(id, new AbortController().signal, async () => 'free')).toBe('free')
      }
      await rm(root, { recursive: true })
    }
  })
})
