// What the digest of a COPY's sources covers, and what it costs when nothing changed.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStatCache } from '../../src/ops/copy/stat-cache.ts'
import { writeHint } from '../support/write-hint.ts'
import { isRoot } from '../sys/native.ts'
import { copy, openRig, type Rig, writeTree } from './support/rig.ts'

const all = [copy({ sources: ['.'], destination: '/' })]

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
  writeTree(rig.context, { a: 'a', 'sub/b': 'b', 'sub/': '', link: '-> a', 'node_modules/x/y': 'big' })
})
afterEach(() => rig.dispose())

const at = (path: string): string => join(rig.context, path)

describe('content digest', () => {
  it('does not see times, owners, or when it is taken', async () => {
    const before = await rig.digest(all)
    utimesSync(at('a'), 1, 2)
    utimesSync(at('sub'), 3, 4)
    expect(await rig.digest(all)).toBe(before)
    writeFileSync(at('sub/b'), 'b')
    expect(await rig.digest(all)).toBe(before)
  })

  it('is the same for the same files made in another order', async () => {
    const before = await rig.digest(all)
    rmSync(rig.context, { recursive: true })
    mkdirSync(rig.context)
    writeTree(rig.context, { 'node_modules/x/y': 'big', link: '-> a', 'sub/': '', 'sub/b': 'b', a: 'a' })
    expect(await rig.digest(all)).toBe(before)
  })

  const changes: readonly [what: string, change: () => void][] = [
    ['content of the same size', () => writeFileSync(at('a'), 'A')],
    ['size', () => writeFileSync(at('a'), 'aa')],
    ['a file’s mode', () => chmodSync(at('a'), 0o755)],
    ['a directory’s mode', () => chmodSync(at('sub'), 0o700)],
    ['a name', () => renameSync(at('a'), at('c'))],
    ['where a file is', () => renameSync(at('sub/b'), at('b'))],
    ['a new empty directory', () => mkdirSync(at('empty'))],
    ['a removed file', () => rmSync(at('sub/b'))],
    [
      'a link’s target',
      () => {
        rmSync(at('link'))
        symlinkSync('sub', at('link'))
      },
    ],
    [
      'a link becoming a file of the same content',
      () => {
        rmSync(at('link'))
        writeFileSync(at('link'), 'a')
      },
    ],
  ]
  it.each(changes)('sees %s', async (_what, change) => {
    const before = await rig.digest(all)
    change()
    expect(await rig.digest(all)).not.toBe(before)
  })

  it('covers only what is selected', async () => {
    const one = [copy({ sources: ['a'], destination: '/' })]
    const excluding = [copy({ sources: ['.'], destination: '/', exclude: ['node_modules'] })]
    const before = [
      await rig.digest(one),
      await rig.digest(excluding),
      await rig.digest(all, ['node_modules']),
    ]
    writeFileSync(at('node_modules/x/y'), 'changed')
    expect([
      await rig.digest(one),
      await rig.digest(excluding),
      await rig.digest(all, ['node_modules']),
    ]).toEqual(before)
    writeFileSync(at('a'), 'changed')
    const after = [
      await rig.digest(one),
      await rig.digest(excluding),
      await rig.digest(all, ['node_modules']),
    ]
    for (const [index, digest] of after.entries()) expect(digest).not.toBe(before[index])
  })

  it('is the same whether files are left out by .dockerignore or by --exclude', async () => {
    const excluding = [copy({ sources: ['.'], destination: '/', exclude: ['node_modules'] })]
    expect(await rig.digest(excluding)).toBe(await rig.digest(all, ['node_modules']))
  })

  it('covers every source and every action', async () => {
    const actions = [
      copy({ sources: ['a'], destination: '/' }),
      copy({ sources: ['sub'], destination: '/s' }),
    ]
    const before = await rig.digest(actions)
    writeFileSync(at('sub/b'), 'B')
    expect(await rig.digest(actions)).not.toBe(before)
  })

  it('takes owners from images, times never', async () => {
    const mine = await rig.layer({ 'd/f': ['x', 0o644, 1, 1] })
    const same = await rig.layer({ 'd/f': ['x', 0o644, 1, 1] })
    const other = await rig.layer({ 'd/f': ['x', 0o644, 2, 1] })
    const actions = [copy({ sources: ['d'], destination: '/' })]
    expect(await rig.digestOf(mine, actions)).toBe(await rig.digestOf(same, actions))
    expect(await rig.digestOf(mine, actions)).not.toBe(await rig.digestOf(other, actions))
  })

  it('reads no file again that did not change, and only the touched one when one is touched', async () => {
    // Only files that are older than two seconds are trusted, and a change time cannot be set.
    await new Promise((resolve) => setTimeout(resolve, 2100))
    const before = await rig.digest(all)
    const cacheFile = (): string => {
      const directory = join(rig.root, 'stat-cache')
      const [name = ''] = readdirSync(directory)
      return `${name} ${statSync(join(directory, name)).ino}`
    }
    // The cache is written whenever a file had to be read.
    const written = cacheFile()
    expect(await rig.digest(all)).toBe(before)
    expect(cacheFile()).toBe(written)

    utimesSync(at('a'), 7, 7)
    const cache = openStatCache(join(rig.root, 'stat-cache'), realpathSync(rig.context), {
      write: writeHint,
    })
    const state = (name: string) => {
      const stat = lstatSync(at(name), { bigint: true })
      const { dev, ino, mtimeNs, ctimeNs } = stat
      return { dev, ino, mtimeNs, ctimeNs, size: Number(stat.size) }
    }
    expect(cache.find('a', state('a'))).toBeUndefined()
    expect(cache.find('sub/b', state('sub/b'))).toBeDefined()
    expect(await rig.digest(all)).toBe(before)
  })

  it.skipIf(!isRoot)('names a file it may not read (needs root)', async () => {
    chmodSync(at('sub/b'), 0)
    chmodSync(rig.root, 0o777)
    process.seteuid?.(65534)
    try {
      await expect(rig.digest(all)).rejects.toMatchObject({
        code: 'ERR_CONTEXT_UNREADABLE',
        message: 'read "sub/b": permission denied',
        hint: expect.stringContaining('.dockerignore'),
      })
      expect(await rig.digest(all, ['sub'])).toMatch(/^sha256:/)
    } finally {
      process.seteuid?.(0)
    }
  })
})
