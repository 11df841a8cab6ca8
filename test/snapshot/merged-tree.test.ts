import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type MergedTree, mergedTree } from '../../src/snapshot/merged-tree.ts'
import { isRoot, testNative } from '../sys/native.ts'

const native = testNative()

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'slipway-merged-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

/** A layer directory made by a shell script. */
function layer(name: string, script: string): string {
  const path = join(base, name)
  mkdirSync(path)
  execFileSync('bash', ['-ec', script], { cwd: path })
  return path
}

const where = (tree: MergedTree, path: string, follow = true): string | undefined =>
  tree.lookup(path, { follow })?.path
const names = (tree: MergedTree, path: string): string[] => {
  const directory = tree.lookup(path, { follow: true })
  return directory === undefined ? [] : tree.list(directory).map((entry) => entry.path)
}
const walked = (tree: MergedTree): string[] => {
  const root = tree.lookup('', { follow: false })
  return root === undefined ? [] : [...tree.walk(root)].map((entry) => entry.path)
}

test('what was missing in a layer is looked for once, in the top one each time', () => {
  const layers = [layer('a', 'mkdir etc'), layer('b', 'mkdir usr'), layer('c', 'true')] as const
  const absences = new Set<string>()
  const has = (path: string): boolean =>
    mergedTree(layers, { native, absences }).lookup(path, { follow: true }) !== undefined
  expect([has('etc'), has('etc/passwd')]).toEqual([true, false])
  expect([...absences].sort()).toEqual([`${layers[0]}/etc/passwd`, `${layers[1]}/etc`])
  // Layers do not change; that this one did shows that nobody looked again.
  writeFileSync(`${layers[0]}/etc/passwd`, '')
  expect(has('etc/passwd')).toBe(false)
  mkdirSync(`${layers[2]}/etc`)
  writeFileSync(`${layers[2]}/etc/passwd`, '')
  expect(has('etc/passwd')).toBe(true)
})

describe('links', () => {
  let tree: MergedTree
  beforeEach(() => {
    const path = layer(
      'l',
      `mkdir -p usr/lib etc a/b; echo root:x:0:0 > etc/passwd; ln -s usr/lib lib; ln -s /etc abs; ln -s ../../../../etc up
       ln -s a/b/../../etc/passwd dots; ln -s loop2 loop; ln -s loop loop2; ln -s nothing gone; ln -s ../abs/passwd a/chain; touch usr/lib/x.so`,
    )
    tree = mergedTree([path], { native })
  })

  test.each<[string, string | undefined]>([
    ['/etc/passwd', 'etc/passwd'],
    ['lib/x.so', 'usr/lib/x.so'],
    ['lib', 'usr/lib'],
    ['lib/', 'usr/lib'],
    ['abs/passwd', 'etc/passwd'],
    ['up/passwd', 'etc/passwd'],
    ['dots', 'etc/passwd'],
    ['a/chain', 'etc/passwd'],
    ['../../etc/../lib/./x.so', 'usr/lib/x.so'],
    ['lib/..', 'usr'],
    ['gone', undefined],
    ['etc/passwd/x', undefined],
    ['etc/passwd/', undefined],
    ['missing/../etc', undefined],
    ['', ''],
    ['/', ''],
    ['..', ''],
  ])('%s leads to %j', (path, target) => {
    expect(where(tree, path)).toBe(target)
  })

  test('the last one is followed only when asked', () => {
    expect(tree.lookup('lib', { follow: false })).toMatchObject({
      path: 'lib',
      type: 'symlink',
      linkTarget: 'usr/lib',
    })
    expect(tree.lookup('a/../lib', { follow: false })?.type).toBe('symlink')
    expect(where(tree, 'lib/x.so', false)).toBe('usr/lib/x.so')
    expect(tree.lookup('gone', { follow: false })?.type).toBe('symlink')
  })

  test('a loop is an error, not a hang', () => {
    expect(() => tree.lookup('loop', { follow: true })).toThrow(
      expect.objectContaining({ code: 'ERR_TREE_LINK_LOOP' }),
    )
  })

  test('files are read through links, up to a limit', () => {
    expect(tree.readFile('dots', 100)?.toString()).toBe('root:x:0:0\n')
    expect(tree.readFile('lib', 100)).toBeUndefined()
    expect(tree.readFile('no', 100)).toBeUndefined()
    expect(() => tree.readFile('dots', 3)).toThrow(
      expect.objectContaining({ code: 'ERR_TREE_FILE_TOO_LARGE' }),
    )
  })

  test('a long chain of links and a deep path are fine', () => {
    const path = layer('m', `touch f0; for i in $(seq 1 200); do ln -s f$((i-1)) f$i; done`)
    expect(where(mergedTree([path], { native }), 'f200')).toBe('f0')
    expect(where(tree, `${'a/b/../../'.repeat(400)}etc`)).toBe('etc')
  })
})

describe.skipIf(!isRoot)('layers over each other (needs root)', () => {
  test('whiteouts, opaque directories, files over directories and back', () => {
    const low = layer(
      'low',
      'mkdir -p d/s gone op wasdir; touch d/a d/s/x gone/g op/hidden wasdir/in wasfile keep; chmod 700 d',
    )
    const mid = layer(
      'mid',
      'mkdir -p d op wasfile; mknod gone c 0 0; mknod d/a c 0 0; touch d/b op/shown wasdir wasfile/new; setfattr -n trusted.overlay.opaque -v y op; chmod 755 d',
    )
    const top = layer('top', 'mkdir -p d/s gone; touch d/a d/s/y gone/again')
    expect(walked(mergedTree([low, mid], { native }))).toEqual([
      'd',
      'd/b',
      'd/s',
      'd/s/x',
      'keep',
      'op',
      'op/shown',
      'wasdir',
      'wasfile',
      'wasfile/new',
    ])
    const tree = mergedTree([low, mid, top], { native })
    expect(walked(tree)).toEqual([
      'd',
      'd/a',
      'd/b',
      'd/s',
      'd/s/x',
      'd/s/y',
      'gone',
      'gone/again',
      'keep',
      'op',
      'op/shown',
      'wasdir',
      'wasfile',
      'wasfile/new',
    ])
    expect(names(tree, 'd/s')).toEqual(['d/s/x', 'd/s/y'])
    expect(tree.lookup('d/s/x', { follow: false })?.hostPath).toBe(`${low}/d/s/x`)
    expect(tree.lookup('gone/g', { follow: false })).toBeUndefined()
    expect(tree.lookup('op/hidden', { follow: false })).toBeUndefined()
    expect(tree.lookup('wasdir/in', { follow: false })).toBeUndefined()
    // The same answers whichever is asked first.
    const fresh = mergedTree([low, mid, top], { native })
    expect(fresh.lookup('op/hidden', { follow: false })).toBeUndefined()
    expect(fresh.lookup('d', { follow: false })).toMatchObject({ mode: 0o755, hostPath: `${top}/d` })
  })

  test('an attribute that a step can set hides nothing', () => {
    const low = layer('low', 'mkdir d; touch d/a')
    const top = layer('top', 'mkdir d; touch d/b; setfattr -n user.overlay.opaque -v y d')
    expect(walked(mergedTree([low, top], { native }))).toEqual(['d', 'd/a', 'd/b'])
  })

  test('metadata: owners, modes, times, devices, link groups, attributes without overlay ones', () => {
    const path = layer(
      'l',
      'touch f; ln f g; chown 70000:3 f; chmod 4711 f; touch -d @-1.5 f; mknod b b 300 70000; mkfifo p; mkdir o; setfattr -n trusted.overlay.opaque -v y o; setfattr -n user.x -v 1 o',
    )
    const tree = mergedTree([path], { native })
    const f = tree.lookup('f', { follow: false })
    expect(f).toMatchObject({ type: 'file', mode: 0o4711, uid: 70000, gid: 3, mtimeNs: -1_500_000_000n })
    expect(tree.lookup('g', { follow: false })?.linkGroup).toBe(f?.linkGroup)
    expect(f?.linkGroup).toBeDefined()
    expect(tree.lookup('b', { follow: false })).toMatchObject({
      type: 'block',
      device: { major: 300, minor: 70000 },
    })
    expect(tree.lookup('p', { follow: false })?.type).toBe('fifo')
    const o = tree.lookup('o', { follow: false })
    expect(o && [...tree.xattrs(o).keys()]).toEqual(['user.x'])
  })

  test('a plain directory has no overlay semantics', () => {
    const path = layer('l', 'mknod c c 0 0')
    expect(walked(mergedTree([path], { native, overlay: false }))).toEqual(['c'])
    expect(walked(mergedTree([path], { native }))).toEqual([])
  })
})

describe('edges', () => {
  test('no layers at all are an empty root', () => {
    const tree = mergedTree([], { native })
    expect(tree.lookup('/', { follow: true })).toMatchObject({ path: '', type: 'directory', mode: 0o755 })
    expect(walked(tree)).toEqual([])
    expect(where(tree, 'x')).toBeUndefined()
  })

  test('names are bytes, sorted as bytes', () => {
    const path = join(base, 'söme layer')
    mkdirSync(path)
    for (const name of ['b', 'a-b', 'a', 'B', '\xff\xfe'])
      writeFileSync(Buffer.from(`${Buffer.from(path).toString('latin1')}/${name}`, 'latin1'), name)
    symlinkSync(Buffer.from('\xff\xfe', 'latin1'), join(path, 'l'))
    const tree = mergedTree([path], { native })
    expect(walked(tree)).toEqual(['B', 'a', 'a-b', 'b', 'l', '\xff\xfe'])
    expect(where(tree, 'l')).toBe('\xff\xfe')
    expect(tree.readFile('l', 9)?.toString()).toBe('ÿþ')
  })
})
