// Which directories of a context are read at all: those of which something may be visible.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ignoreMatcher } from '../../src/dockerfile/ignore-matcher.ts'
import { localTree } from '../../src/ops/copy/local-tree.ts'
import type { SourceTree } from '../../src/ops/copy/source-tree.ts'
import { testNative } from '../sys/native.ts'

const read: string[] = []

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slipway-ignored-'))
  for (const path of [
    'src/a.ts',
    'src/deep/b.ts',
    'src/node_modules/x/y/z.js',
    'node_modules/x/y/z.js',
    'node_modules/keep/k.js',
    'top',
  ]) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), '')
  }
  read.length = 0
})
afterEach(() => rmSync(root, { recursive: true }))

/** The tree, and a list of what its walk finds and which directories that read. */
function open(patterns: readonly string[]): SourceTree {
  const native = testNative()
  const addon = native.addon()
  const scanTree = (): never => {
    throw new Error('the whole tree was scanned')
  }
  const readNames = (path: Buffer): string => {
    read.push(path.toString())
    return addon.readNames(path)
  }
  return localTree({
    root,
    description: 'build context',
    ignore: ignoreMatcher(patterns, { asTransfer: true }),
    native: { ...native, addon: () => ({ ...addon, scanTree, readNames }) },
  })
}

async function walk(
  patterns: readonly string[],
  directory = '',
): Promise<{ found: string[]; read: string[] }> {
  const tree = open(patterns)
  const top = await tree.find(directory, true)
  const found = top === undefined ? [] : await tree.walk(top)
  return { found: found.map(({ path }) => path), read: read.map((path) => path.slice(root.length + 1)) }
}

it('reads no directory that is excluded, at any depth', async () => {
  expect(await walk(['**/node_modules'])).toEqual({
    found: ['src', 'src/a.ts', 'src/deep', 'src/deep/b.ts', 'top'],
    read: ['', 'src', 'src/deep'],
  })
  read.length = 0
  expect(await walk(['*'])).toEqual({ found: [], read: [''] })
})

it('reads of the excluded ones only those in which something is brought back', async () => {
  expect(await walk(['*', '!top', '!node_modules/keep/k.js'])).toEqual({
    found: ['node_modules', 'node_modules/keep', 'node_modules/keep/k.js', 'top'],
    read: ['', 'node_modules', 'node_modules/keep'],
  })
  read.length = 0
  expect(await walk(['*', '!src', '**/node_modules'])).toEqual({
    found: ['src', 'src/a.ts', 'src/deep', 'src/deep/b.ts'],
    read: ['', 'src', 'src/deep'],
  })
  read.length = 0
  // A pattern that may match anywhere: everything must be looked through.
  expect((await walk(['*', '!**/z.js'])).read).toHaveLength(10)
})

it('reads nothing above or beside what is asked for', async () => {
  expect(await walk(['**/node_modules'], 'src/deep')).toEqual({
    found: ['src/deep/b.ts'],
    read: ['src/deep'],
  })
  read.length = 0
  expect(await open(['node_modules']).find('node_modules/x/y/z.js', true)).toBeUndefined()
  expect(await open(['node_modules']).find('node_modules', true)).toBeUndefined()
  expect(read).toEqual([])
})

it('does not overlook more than BuildKit, nor less', async () => {
  expect((await walk(['src', '!src/*/**'])).found).not.toContain('src/deep')
  expect((await walk(['src', '!src/deep/**'])).found).toContain('src/deep/b.ts')
})
