// Trees through the helper: nothing is written or read outside the root, and sources are what they were.
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FileCounts, FileOperation } from '../../src/sys/files.ts'
import { apply, directory, file, owner, symlink } from './files-rig.ts'
import { withDirectory } from './native.ts'

describe('nothing outside the root', () => {
  const canary = 'untouched'
  const evil: readonly [name: string, operations: (outside: string) => FileOperation[], code?: string][] = [
    ['`..` in a path', () => [file('../canary')], 'ERR_FILES_PATH_INVALID'],
    ['`..` in the middle', () => [directory('a'), file('a/../../canary')], 'ERR_FILES_PATH_INVALID'],
    [
      '`..` in a hard link target',
      () => [{ op: 'hardlink', path: 'x', target: '../canary' }],
      'ERR_FILES_PATH_INVALID',
    ],
    [
      '`..` in mkdirs',
      () => [{ op: 'mkdirs', path: 'a/../../made', mode: 0o755, ...owner }],
      'ERR_FILES_PATH_INVALID',
    ],
    ['an absolute path', (outside) => [file(`${outside}/canary`)]],
    ['a parent link leading out', (outside) => [symlink('l', outside), file('l/canary')]],
    ['a relative parent link leading out', () => [symlink('l', '..'), file('l/canary')]],
    ['a parent link of links', () => [symlink('x', '../..'), symlink('l', 'x/..'), file('l/canary')]],
    ['a leaf link leading out', (outside) => [symlink('l', `${outside}/canary`), file('l')]],
    ['a directory on a link leading out', (outside) => [symlink('l', outside), directory('l', 0o777)]],
    ['removal through a link', (outside) => [symlink('l', outside), { op: 'remove', path: 'l/canary' }]],
    ['removal of a link', (outside) => [symlink('l', outside), { op: 'remove', path: 'l' }]],
    [
      'a hard link to the outside',
      (outside) => [{ op: 'hardlink', path: 'x', target: `${outside}/canary` }],
      'ERR_FILES_LINK_TARGET_MISSING',
    ],
    [
      'a hard link through a link',
      (outside) => [symlink('l', outside), { op: 'hardlink', path: 'x', target: 'l/canary' }],
      'ERR_FILES_LINK_TARGET_MISSING',
    ],
    [
      'mkdirs through a link',
      (outside) => [symlink('l', `${outside}/new`), { op: 'mkdirs', path: 'l/sub', mode: 0o755, ...owner }],
    ],
    ['opaque on a link leading out', (outside) => [symlink('l', outside), { op: 'opaque', path: 'l' }]],
    [
      'the root as a link',
      (outside) => [{ op: 'symlink', path: '.', target: outside, ...owner }],
      'ERR_FILES_PATH_INVALID',
    ],
    ['the root as a file', () => [file('/')], 'ERR_FILES_PATH_INVALID'],
    [
      'the root as a hard link',
      () => [{ op: 'hardlink', path: './', target: 'x' }],
      'ERR_FILES_PATH_INVALID',
    ],
    ['removal of the root', () => [{ op: 'remove', path: '/./' }], 'ERR_FILES_PATH_INVALID'],
    ['a whiteout of the root', () => [{ op: 'whiteout', path: '' }], 'ERR_FILES_PATH_INVALID'],
    ['a magic link', () => [symlink('l', '/proc/self/root'), file('l/canary')]],
    ['a name of 256 bytes', () => [file('n'.repeat(256))], 'ERR_FILES_NAME_TOO_LONG'],
    ['a NUL in a name', () => [file('a\0b')], 'ERR_FILES_REQUEST_MALFORMED'],
  ]
  test.each(evil)('%s', async (_name, operations, code) => {
    await withDirectory(async (base) => {
      const outside = join(base, 'outside')
      const inside = join(base, 'inside')
      mkdirSync(outside, { mode: 0o700 })
      mkdirSync(inside)
      writeFileSync(join(outside, 'canary'), canary)
      writeFileSync(join(base, 'canary'), canary)
      const before = lstatSync(outside, { bigint: true })
      const attempt = apply(inside, operations(outside))
      if (code === undefined) await attempt
      else await expect(attempt).rejects.toMatchObject({ code })
      expect(readdirSync(base).sort()).toEqual(['canary', 'inside', 'outside'])
      expect(readdirSync(outside)).toEqual(['canary'])
      expect(readFileSync(join(outside, 'canary'), 'utf8')).toBe(canary)
      expect(readFileSync(join(base, 'canary'), 'utf8')).toBe(canary)
      const after = lstatSync(outside, { bigint: true })
      expect([after.mode, after.ctimeNs]).toEqual([before.mode, before.ctimeNs])
      expect(lstatSync(join(outside, 'canary')).nlink).toBe(1)
    })
  })
})

describe('sources', () => {
  const copy = (path: string, source: string, size?: number): FileOperation => ({
    op: 'file',
    path,
    mode: 0o644,
    ...owner,
    source: size === undefined ? { path: source } : { path: source, size },
  })

  test('files of the host are copied whole, holes stay holes', async () => {
    await withDirectory(async (base) => {
      const content = Buffer.alloc(3_000_001, 'slipway')
      writeFileSync(join(base, 'plain'), content)
      execFileSync('truncate', ['-s', '512M', join(base, 'sparse')])
      execFileSync('dd', [
        'if=/dev/urandom',
        `of=${join(base, 'sparse')}`,
        'bs=4096',
        'count=1',
        'seek=70000',
        'conv=notrunc',
        'status=none',
      ])
      writeFileSync(join(base, 'empty'), '')
      mkdirSync(join(base, 'to'))
      const counts = await apply(
        join(base, 'to'),
        ['plain', 'sparse', 'empty'].map((name) => copy(name, join(base, name))),
      )
      expect(readFileSync(join(base, 'to/plain')).equals(content)).toBe(true)
      execFileSync('cmp', [join(base, 'sparse'), join(base, 'to/sparse')])
      expect(lstatSync(join(base, 'to/sparse')).blocks).toBeLessThan(100)
      expect(lstatSync(join(base, 'to/empty')).size).toBe(0)
      expect(counts.bytes).toBe(3_000_001 + 2 ** 29)
    })
  })

  test('only regular files of the announced size are read', async () => {
    await withDirectory(async (base) => {
      const to = join(base, 'to')
      mkdirSync(to)
      writeFileSync(join(base, 'file'), '12345')
      symlinkSync('file', join(base, 'link'))
      execFileSync('mkfifo', [join(base, 'fifo')])
      const attempt = (name: string, size?: number): Promise<FileCounts> =>
        apply(to, [copy('x', join(base, name), size)])
      await expect(attempt('link')).rejects.toMatchObject({ code: 'ERR_FILES_SOURCE_NOT_REGULAR' })
      await expect(attempt('fifo')).rejects.toMatchObject({ code: 'ERR_FILES_SOURCE_NOT_REGULAR' })
      await expect(attempt('to')).rejects.toMatchObject({ code: 'ERR_FILES_SOURCE_NOT_REGULAR' })
      await expect(attempt('absent')).rejects.toMatchObject({ code: 'ERR_FILES_SOURCE_MISSING' })
      await expect(attempt('file', 6)).rejects.toMatchObject({ code: 'ERR_FILES_SOURCE_CHANGED' })
      await attempt('file', 5)
      mkdirSync(join(base, 'real'))
      writeFileSync(join(base, 'real/file'), 'host')
      symlinkSync('real', join(base, 'dirlink'))
      await expect(attempt('dirlink/file')).rejects.toMatchObject({ code: 'ERR_FILES_SOURCE_NOT_REGULAR' })
      const { ino } = lstatSync(join(base, 'file'), { bigint: true })
      const inode = async (name: string): Promise<FileCounts> =>
        apply(to, [
          { op: 'file', path: 'x', mode: 0o644, ...owner, source: { path: join(base, name), inode: ino } },
        ])
      await expect(inode('real/file')).rejects.toMatchObject({ code: 'ERR_FILES_SOURCE_CHANGED' })
      await inode('file')
    })
  })

  test('streams must have the announced length', async () => {
    await withDirectory(async (top) => {
      async function* chunks(): AsyncGenerator<Uint8Array> {
        for (let i = 0; i < 100; i++) yield Buffer.alloc(50_000, i)
      }
      const streamed = (size: number): FileOperation => ({
        op: 'file',
        path: 'big',
        mode: 0o600,
        ...owner,
        source: { stream: chunks(), size },
      })
      async function* operations(): AsyncGenerator<FileOperation> {
        yield file('before')
        yield streamed(5_000_000)
        yield file('after', 'small')
      }
      expect(await apply(top, operations())).toMatchObject({ files: 3, bytes: 5_000_006 })
      expect(readFileSync(join(top, 'big'))[4_999_999]).toBe(99)
      expect(readFileSync(join(top, 'after'), 'utf8')).toBe('small')
      await expect(apply(top, [streamed(4_999_999)])).rejects.toMatchObject({
        code: 'ERR_FILES_SOURCE_CHANGED',
      })
      await expect(apply(top, [streamed(5_000_001)])).rejects.toMatchObject({
        code: 'ERR_FILES_SOURCE_CHANGED',
      })
    })
  })
})
