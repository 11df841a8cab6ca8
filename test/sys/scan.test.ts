// Scanning agrees with Node's own lstat on random trees, to the nanosecond.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyFileOperations, type FileOperation } from '../../src/sys/files.ts'
import {
  listPaths,
  readXattrs,
  scanTree,
  scanTreeInTurn,
  scanTreeSync,
  type TreeEntry,
} from '../../src/sys/scan.ts'
import { isRoot, testNative, withDirectory } from './native.ts'

const native = testNative()
const signal = new AbortController().signal

const name = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replace(/[/\0]/g, '_'))
  .filter((text) => text !== '.' && text !== '..')
const mtimeNs = fc.bigInt(-(10n ** 18n), 4n * 10n ** 18n)
const owner = fc.record({ uid: fc.nat(isRoot ? 70_000 : 0), gid: fc.nat(isRoot ? 70_000 : 0) })
const operation: fc.Arbitrary<FileOperation> = fc
  .record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
    owner,
    mtimeNs,
    mode: fc.nat(0o7777),
    kind: fc.constantFrom('file', 'directory', 'symlink', 'fifo'),
    size: fc.nat(5000),
  })
  .map(({ path, owner: ids, mode, kind, size, ...rest }): FileOperation => {
    const common = { path, ...ids, mtimeNs: rest.mtimeNs }
    if (kind === 'file') return { op: 'file', ...common, mode, source: { bytes: Buffer.alloc(size, 1) } }
    if (kind === 'directory') return { op: 'directory', ...common, mode: mode | 0o700 }
    if (kind === 'symlink') return { op: 'symlink', ...common, target: `t\xff${size}` }
    return { op: 'node', ...common, type: 'fifo', major: 0, minor: 0, mode }
  })

function expectAsLstat(top: string, entry: TreeEntry): void {
  const path = Buffer.concat([Buffer.from(`${top}/`), Buffer.from(entry.path, 'latin1')])
  const status = lstatSync(path, { bigint: true })
  expect({ ...entry, linkTarget: entry.linkTarget }).toEqual({
    path: entry.path,
    type: status.isFile()
      ? 'file'
      : status.isDirectory()
        ? 'directory'
        : status.isSymbolicLink()
          ? 'symlink'
          : 'fifo',
    mode: Number(status.mode & 0o7777n),
    uid: Number(status.uid),
    gid: Number(status.gid),
    size: Number(status.size),
    mtimeNs: status.mtimeNs,
    ctimeNs: status.ctimeNs,
    dev: Number(status.dev),
    ino: status.ino,
    nlink: Number(status.nlink),
    rdevMajor: 0,
    rdevMinor: 0,
    linkTarget: status.isSymbolicLink() ? readlinkSync(path, { encoding: 'latin1' }) : undefined,
  })
}

/** Depth first, children in byte order. */
function isInOrder(paths: readonly string[]): boolean {
  const key = (path: string): string => path.replaceAll('/', '\0')
  return paths.every((path, i) => i === 0 || key(paths[i - 1] ?? '') < key(path))
}

describe('scanTree', () => {
  test('agrees with lstat on random trees', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
        await withDirectory(async (top) => {
          await applyFileOperations({ kind: 'directory', path: top }, operations, { native, signal })
          const entries = await scanTree(top, { native })
          expect(entries[0]?.path).toBe('')
          const found = execFileSync('find', [top, '-mindepth', '1', '-print0'], { encoding: 'latin1' })
          const paths = found.split('\0').slice(0, -1)
          expect(new Set(entries.slice(1).map((entry) => `${top}/${entry.path}`))).toEqual(new Set(paths))
          expect(isInOrder(entries.map((entry) => entry.path))).toBe(true)
          for (const entry of entries) expectAsLstat(top, entry)
          expect(scanTreeSync(top, { native })).toEqual(entries)
          expect([...(await scanTreeInTurn(top, { native }))]).toEqual(entries)
        })
      }),
      { numRuns: 25 },
    )
  })

  test.skipIf(!isRoot)('devices and attributes, only when asked for (needs root)', async () => {
    await withDirectory(async (top) => {
      const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')
      const ids = { uid: 0, gid: 0 }
      await applyFileOperations(
        { kind: 'directory', path: top },
        [
          { op: 'node', path: 'dev', type: 'block', major: 259, minor: 70_000, mode: 0o600, ...ids },
          {
            op: 'file',
            path: 'ping',
            mode: 0o755,
            ...ids,
            source: { bytes: Buffer.alloc(1) },
            xattrs: [
              ['security.capability', capability],
              ['user.empty', Buffer.alloc(0)],
              ['user.large', Buffer.alloc(3000, 0xee)],
            ],
          },
          { op: 'opaque', path: 'opaque' },
          { op: 'whiteout', path: 'gone' },
        ],
        { native, signal },
      )
      const entries = new Map(
        (await scanTree(top, { native, xattrs: true })).map((entry) => [entry.path, entry]),
      )
      expect(entries.get('dev')).toMatchObject({ type: 'block', rdevMajor: 259, rdevMinor: 70_000 })
      expect(entries.get('gone')).toMatchObject({ type: 'char', rdevMajor: 0, rdevMinor: 0 })
      expect(entries.get('opaque')?.xattrs).toEqual([['trusted.overlay.opaque', Buffer.from('y')]])
      const xattrs = new Map(entries.get('ping')?.xattrs)
      expect(xattrs).toEqual(
        new Map([
          ['security.capability', capability],
          ['user.empty', Buffer.alloc(0)],
          ['user.large', Buffer.alloc(3000, 0xee)],
        ]),
      )
      expect(new Map(readXattrs(join(top, 'ping'), native))).toEqual(xattrs)
      expect(entries.get('dev')).not.toHaveProperty('xattrs')
      const without = await scanTree(top, { native })
      expect(without.every((entry) => entry.xattrs === undefined)).toBe(true)
    })
  })

  test('links are not followed, the directory itself may be one', async () => {
    await withDirectory(async (top) => {
      mkdirSync(join(top, 'real/sub'), { recursive: true })
      symlinkSync('.', join(top, 'real/self'))
      symlinkSync('real', join(top, 'link'))
      const paths = async (directory: string): Promise<string[]> =>
        (await scanTree(directory, { native })).map((entry) => entry.path)
      expect(await paths(top)).toEqual(['', 'link', 'real', 'real/self', 'real/sub'])
      expect(await paths(join(top, 'link'))).toEqual(['', 'self', 'sub'])
      for (const path of ['link', 'link/sub']) {
        await expect(scanTree(join(top, path), { native, noLinks: true })).rejects.toMatchObject({
          data: { errno: 'ELOOP' },
        })
      }
      expect(await scanTree(join(top, 'real/sub'), { native, noLinks: true })).toHaveLength(1)
    })
  })

  test('limits and failures have codes', async () => {
    await withDirectory(async (top) => {
      for (let i = 0; i < 5; i++) writeFileSync(join(top, `f${i}`), '')
      expect(await scanTree(top, { native, maxEntries: 6 })).toHaveLength(6)
      await expect(scanTree(top, { native, maxEntries: 5 })).rejects.toMatchObject({
        code: 'ERR_SCAN_TOO_MANY',
      })
      for (const scan of [scanTree, scanTreeInTurn])
        await expect(scan(join(top, 'x'), { native })).rejects.toMatchObject({ code: 'ERR_SCAN_MISSING' })
      expect(() => scanTreeSync(join(top, 'f0'), { native })).toThrow(/Not a directory/)
    })
  })

  test('5000 levels deep', async () => {
    await withDirectory(async (top) => {
      const target = { kind: 'directory', path: top } as const
      const mkdirs: FileOperation = { op: 'mkdirs', path: 'd/'.repeat(5000), mode: 0o755, uid: 0, gid: 0 }
      await applyFileOperations(target, [mkdirs], { native, signal })
      expect(await scanTree(top, { native })).toHaveLength(5001)
      await applyFileOperations(target, [{ op: 'remove', path: 'd' }], { native, signal })
    })
  })

  test('a tree that changes meanwhile is no failure', async () => {
    await withDirectory(async (top) => {
      const target = { kind: 'directory', path: top } as const
      const ids = { uid: 0, gid: 0, mode: 0o755 }
      const operations: FileOperation[] = []
      for (let i = 0; i < 3000; i++) {
        const path = `d${i % 7}/${randomBytes(1).toString('hex')}`
        if (i % 3 === 0) operations.push({ op: 'remove', path })
        else if (i % 3 === 1) operations.push({ op: 'symlink', path, target: '/', uid: 0, gid: 0 })
        else operations.push({ op: 'directory', path: `${path}/sub`, ...ids })
      }
      let running = true
      const applied = applyFileOperations(target, operations, { native, signal }).finally(() => {
        running = false
      })
      while (running) await scanTree(top, { native, xattrs: true })
      await applied
    })
  })
})

describe('listPaths', () => {
  test('is what scanTree says of those paths, in their order', async () => {
    await withDirectory(async (top) => {
      mkdirSync(join(top, 'd/e'), { recursive: true })
      for (const path of ['a', 'd/b', 'd/e/c']) writeFileSync(join(top, path), path)
      symlinkSync('b', join(top, 'd/link'))
      const all = await scanTree(top, { native, xattrs: true })
      const paths = ['d/e/c', 'd', 'd/link', 'a', 'd/b', 'd/e']
      const wanted = paths.map((path) => all.find((entry) => entry.path === path))
      expect((await listPaths(top, paths, { native, xattrs: true })).entries()).toEqual(wanted)
      expect((await listPaths(top, [], { native })).entries()).toEqual([])
    })
  })

  test('leaves out what is not there, and follows no link', async () => {
    await withDirectory(async (top) => {
      mkdirSync(join(top, 'd'))
      writeFileSync(join(top, 'd/f'), '')
      symlinkSync('d', join(top, 'link'))
      symlinkSync('/etc', join(top, 'out'))
      const paths = ['gone', 'd/gone', 'd/f/x', 'link/f', 'out/passwd']
      expect((await listPaths(top, paths, { native })).entries()).toEqual([])
      expect((await listPaths(top, [...paths, 'd/f'], { native })).entries().map(({ path }) => path)).toEqual(
        ['d/f'],
      )
      await expect(listPaths(top, ['../x/y'], { native })).rejects.toMatchObject({ code: 'ERR_SCAN_FAILED' })
      await expect(listPaths(join(top, 'gone'), ['f'], { native })).rejects.toMatchObject({
        code: 'ERR_SCAN_MISSING',
      })
    })
  })
})
