// A tree in which nothing changed is digested by its listing alone, and every change is seen all the same.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { openTreeCache } from '../../src/ops/copy/tree-cache.ts'
import { writeHint as write } from '../support/write-hint.ts'
import { testContext } from './support/context.ts'
import { copy, openRig, type Rig, treeTime, writeTree } from './support/rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(() => rig.dispose())

const caches = (): string => join(rig.root, 'stat-cache')

describe('openTreeCache', () => {
  const looks = { signature: 'a'.repeat(64), newestNs: 5n }
  const digest = digestOf('content')

  it('finds what was put for the same looks of the same selection, and nothing else', () => {
    const cache = openTreeCache(caches(), ['/context', []], { write })
    const startNs = cache.now() ?? 0n
    cache.put('.', looks, digest, startNs)
    const again = openTreeCache(caches(), ['/context', []], { write })
    expect(again.find('.', looks)).toBe(digest)
    expect(again.find('.', { ...looks, signature: 'b'.repeat(64) })).toBeUndefined()
    expect(again.find('src', looks)).toBeUndefined()
    expect(openTreeCache(caches(), ['/context', ['*.o']], { write }).find('.', looks)).toBeUndefined()
    expect(openTreeCache(caches(), ['/other', []], { write }).find('.', looks)).toBeUndefined()
    const newer = { ...looks, signature: 'b'.repeat(64) }
    cache.put('.', newer, digestOf('more'), startNs)
    expect(again.find('.', looks)).toBeUndefined()
    expect(again.find('.', newer)).toBe(digestOf('more'))
  })

  it('does not trust what changed less than two seconds before it was read', () => {
    const cache = openTreeCache(caches(), [], { write })
    const startNs = cache.now() ?? 0n
    cache.put('young', { ...looks, newestNs: startNs - 1_000_000_000n }, digest, startNs)
    cache.put('future', { ...looks, newestNs: startNs + 9_000_000_000n }, digest, startNs)
    cache.put('old', { ...looks, newestNs: startNs - 2_000_000_000n }, digest, startNs)
    expect(['young', 'future', 'old'].map((name) => cache.find(name, looks))).toEqual([
      undefined,
      undefined,
      digest,
    ])
  })

  it('treats a damaged file as absent, and goes without when it cannot write', () => {
    const cache = openTreeCache(caches(), [], { write })
    cache.put('.', looks, digest, cache.now() ?? 0n)
    const [name = ''] = readdirSync(caches())
    const file = join(caches(), name)
    const whole = readFileSync(file)
    for (const at of [0, 70, 80, whole.length - 1]) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      writeFileSync(file, damaged)
      expect(cache.find('.', looks)).toBeUndefined()
    }
    for (const length of [0, 10, whole.length - 1]) {
      writeFileSync(file, whole.subarray(0, length))
      expect(cache.find('.', looks)).toBeUndefined()
    }
    expect(readdirSync(caches())).toEqual([name])
    const nowhere = openTreeCache(join(file, 'below'), [], { write })
    expect(nowhere.now()).toBeUndefined()
    expect(nowhere.find('.', looks)).toBeUndefined()
  })
})

describe('a digest of directories', () => {
  const change: Readonly<Record<string, (directory: string) => void>> = {
    nothing: () => undefined,
    'content of the same length': (d) => {
      writeFileSync(join(d, 'sub/f'), 'g')
      utimesSync(join(d, 'sub/f'), treeTime, treeTime)
    },
    'a longer file': (d) => appendFileSync(join(d, 'sub/f'), 'f'),
    'the mode of a file': (d) => chmodSync(join(d, 'sub/f'), 0o600),
    'the mode of a directory': (d) => chmodSync(join(d, 'sub'), 0o700),
    'a new file': (d) => writeFileSync(join(d, 'sub/new'), ''),
    'a new empty directory': (d) => mkdirSync(join(d, 'sub/new')),
    'a missing file': (d) => rmSync(join(d, 'sub/f')),
    'another name': (d) => renameSync(join(d, 'sub/f'), join(d, 'sub/g')),
    'another link': (d) => {
      rmSync(join(d, 'link'))
      symlinkSync('sub/g', join(d, 'link'))
    },
    'a link in place of a file': (d) => {
      rmSync(join(d, 'sub/f'))
      symlinkSync('../other', join(d, 'sub/f'))
    },
    'a touched file': (d) => utimesSync(join(d, 'sub/f'), 7, 7),
    'another name for the same content': (d) => {
      rmSync(join(d, 'other'))
      linkSync(join(d, 'sub/f'), join(d, 'other'))
    },
    'an attribute': (d) => execFileSync('setfattr', ['-n', 'user.x', '-v', '1', join(d, 'sub/f')]),
  }
  const same = ['nothing', 'a touched file', 'another name for the same content']

  it('sees every change, with and without ignored files, and what is touched is the same', async () => {
    const names = Object.keys(change)
    const of = (i: number, ignore: readonly string[]): Promise<string> =>
      rig.digest([copy({ sources: [`d${i}`], destination: '/' })], ignore)
    for (const i of names.keys()) {
      writeTree(rig.context, {
        [`d${i}/sub/`]: '',
        [`d${i}/sub/f`]: 'f',
        [`d${i}/other`]: 'f',
        [`d${i}/link`]: '-> sub/f',
      })
    }
    // Only what is older than two seconds is trusted, and a change time cannot be set.
    await sleep(2100)
    const digests = async (): Promise<string[]> => {
      const found: Promise<string>[] = []
      for (const i of names.keys()) found.push(of(i, []), of(i, ['**/*.o']))
      return Promise.all(found)
    }
    const before = await digests()
    const trees = (): string[] => readdirSync(caches()).filter((name) => name.endsWith('.tree'))
    expect(trees()).toHaveLength(2 * names.length)
    expect(await digests()).toEqual(before)

    for (const [i, name] of names.entries()) change[name]?.(join(rig.context, `d${i}`))
    const after = await digests()
    for (const [i, name] of names.entries()) {
      const isSame = [2 * i, 2 * i + 1].map((at) => after[at] === before[at])
      expect([name, ...isSame]).toEqual([name, same.includes(name), same.includes(name)])
    }
    rmSync(caches(), { recursive: true })
    expect(await digests()).toEqual(after)
  })

  it('needs no file read when nothing changed, and copies what it stands for', async () => {
    const actions = [copy({ sources: ['d', 'f'], destination: '/to/' })]
    writeTree(rig.context, { 'd/a': 'aa', f: 'f' })
    await sleep(2100)
    const before = await rig.digest(actions)
    const [statCache = ''] = readdirSync(caches()).filter((name) => !name.endsWith('.tree'))
    // Had a file been looked up or read, this would have been written again.
    writeFileSync(join(caches(), statCache), 'damaged')
    expect(await rig.digest(actions)).toBe(before)
    expect(readFileSync(join(caches(), statCache), 'utf8')).toBe('damaged')

    const cx = testContext()
    const local = rig.local()
    await rig.digest(actions, [], cx)
    expect(rig.list(await rig.run(null, [local], actions, cx))).toContain('to/a 644 0:0 aa')
  })

  it('fails when the tree changes between being recalled and being copied', async () => {
    const actions = [copy({ sources: ['d'], destination: '/' })]
    writeTree(rig.context, { 'd/a': 'aa' })
    await sleep(2100)
    await rig.digest(actions)
    const cx = testContext()
    const local = rig.local()
    await rig.digest(actions, [], cx)
    writeFileSync(join(rig.context, 'd/a'), 'bb')
    await expect(rig.run(null, [local], actions, cx)).rejects.toMatchObject({ code: 'ERR_CONTEXT_CHANGED' })
  })
})
