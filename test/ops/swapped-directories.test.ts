// A directory of the context that becomes a link to another place of the machine while the context is looked through:
// nothing of that place may be seen.
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ignoreMatcher } from '../../src/dockerfile/ignore-matcher.ts'
import { localTree } from '../../src/ops/copy/local-tree.ts'
import type { SourceTree } from '../../src/ops/copy/source-tree.ts'
import type { Native } from '../../src/sys/native.ts'
import { testNative } from '../sys/native.ts'

let top: string
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'slipway-swapped-'))
  mkdirSync(join(top, 'context/d/e'), { recursive: true })
  mkdirSync(join(top, 'host/e'), { recursive: true })
  writeFileSync(join(top, 'context/d/e/mine'), 'mine')
  writeFileSync(join(top, 'host/e/canary'), 'secret')
  symlinkSync('secret', join(top, 'host/e/link'))
})
afterEach(() => rmSync(top, { recursive: true }))

function swap(): void {
  renameSync(join(top, 'context/d'), join(top, 'context/was'))
  symlinkSync('../host', join(top, 'context/d'))
}

type Call = 'readNames' | 'scanPaths' | 'scanTree'

/** The context, in which `d` is swapped for the link right before the `nth` system call of that kind. */
function swappedAt(call: Call, nth: number, patterns: readonly string[] = []): SourceTree {
  const native = testNative()
  const addon = native.addon()
  let calls = 0
  const counted = (name: Call): void => {
    if (name === call && ++calls === nth) swap()
  }
  const watched: Native = {
    ...native,
    addon: () => ({
      ...addon,
      readNames(path) {
        counted('readNames')
        return addon.readNames(path)
      },
      scanPaths(directory, flags, paths) {
        counted('scanPaths')
        return addon.scanPaths(directory, flags, paths)
      },
      scanTree(directory, flags, most) {
        counted('scanTree')
        return addon.scanTree(directory, flags, most)
      },
    }),
  }
  return localTree({
    root: join(top, 'context'),
    description: 'build context',
    ...(patterns.length === 0 ? {} : { ignore: ignoreMatcher(patterns, { asTransfer: true }) }),
    native: watched,
  })
}

// `d`, `d/e` and the file are looked at one after the other.
it.each([2, 3])('a path of which call %d of three finds a link', async (nth) => {
  const tree = swappedAt('scanPaths', nth)
  expect(await tree.find('d/e/canary', true)).toBeUndefined()
})

it('what is there when nothing is swapped', async () => {
  const tree = swappedAt('scanPaths', 99)
  expect(await tree.find('d/e/mine', true)).toMatchObject({ path: 'd/e/mine', size: 4 })
  expect(await tree.find('d/e/canary', true)).toBeUndefined()
  swap()
  // The link is followed now, in the context: there is no `host` in it.
  expect(await tree.find('d/e/canary', true)).toBeUndefined()
})

it.each<[Call, number]>([
  ['readNames', 1],
  ['scanPaths', 3],
])('names in a directory, swapped before %s %d', async (call, nth) => {
  const tree = swappedAt(call, nth)
  const directory = await tree.find('d/e', true)
  expect(directory).toMatchObject({ type: 'directory' })
  const found = directory === undefined ? [] : await tree.list(directory)
  expect(found).toEqual([])
})

it.each<[Call, number, string[]]>([
  ['readNames', 1, ['x']],
  ['readNames', 2, ['x']],
  ['readNames', 3, ['x']],
  ['scanPaths', 1, ['x']],
])('a walk past an ignore file, swapped before %s %d', async (call, nth, patterns) => {
  const tree = swappedAt(call, nth, patterns)
  const directory = await tree.find('', true)
  const found = directory === undefined ? [] : await tree.walk(directory)
  expect(found.map(({ path }) => path).filter((path) => path.startsWith('d/'))).toEqual([])
  expect(found.map(({ linkTarget }) => linkTarget)).not.toContain('secret')
})

it('a walk of a directory below one that is swapped', async () => {
  const tree = swappedAt('scanTree', 1)
  const directory = await tree.find('d/e', true)
  await expect(async () => directory && (await tree.walk(directory))).rejects.toMatchObject({
    code: 'ERR_CONTEXT_CHANGED',
  })
})
