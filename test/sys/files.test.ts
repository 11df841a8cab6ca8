// Building trees through the helper: exact metadata, nothing outside the root, overlay semantics.
import { execFileSync } from 'node:child_process'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  applyFileOperations,
  type FileCounts,
  type FileOperation,
  type FileTarget,
} from '../../src/sys/files.ts'
import { isRoot, testNative, withDirectory } from './native.ts'

const native = testNative()

function apply(
  target: string | FileTarget,
  operations: Iterable<FileOperation> | AsyncIterable<FileOperation>,
  options: { signal?: AbortSignal; missingLinkTargets?: 'fail' | 'report' } = {},
): Promise<FileCounts> {
  const signal = options.signal ?? new AbortController().signal
  const goal = typeof target === 'string' ? ({ kind: 'directory', path: target } as const) : target
  return applyFileOperations(goal, operations, { native, ...options, signal })
}

const owner = { uid: 0, gid: 0 }
const file = (path: string, text = 'x', mode = 0o644): FileOperation => ({
  op: 'file',
  path,
  mode,
  ...owner,
  source: { bytes: Buffer.from(text) },
})
const directory = (path: string, mode = 0o755): FileOperation => ({ op: 'directory', path, mode, ...owner })
const symlink = (path: string, target: string): FileOperation => ({ op: 'symlink', path, target, ...owner })

/** Every path below `top` with its type letter, links with their target. */
function tree(top: string, below = ''): string[] {
  return readdirSync(join(top, below))
    .sort()
    .flatMap((name) => {
      const path = join(below, name)
      const status = lstatSync(join(top, path))
      if (status.isDirectory()) return [`d ${path}`, ...tree(top, path)]
      if (status.isSymbolicLink()) return [`l ${path} -> ${readlinkSync(join(top, path))}`]
      if (status.isCharacterDevice()) return [`c ${path} ${status.rdev}`]
      return [`${status.isFile() ? 'f' : '?'} ${path}`]
    })
}

describe.skipIf(!isRoot)('metadata (needs root)', () => {
  test.each([
    ['nanoseconds', 1_700_000_000_123_456_789n],
    ['before 1970', -1n],
    ['far before 1970', -2_000_000_000_000_000_001n],
    ['after 2038', 2_222_222_222_987_654_321n],
  ])('times are exact: %s', async (_name, mtimeNs) => {
    await withDirectory(async (top) => {
      await apply(top, [
        { op: 'directory', path: 'd', mode: 0o755, ...owner, mtimeNs },
        { op: 'file', path: 'd/f', mode: 0o644, ...owner, mtimeNs, source: { bytes: Buffer.from('text') } },
        { op: 'symlink', path: 'd/l', target: 'nowhere', ...owner, mtimeNs },
        { op: 'node', path: 'd/p', type: 'fifo', major: 0, minor: 0, mode: 0o600, ...owner, mtimeNs },
      ])
      for (const path of ['d', 'd/f', 'd/l', 'd/p']) {
        expect(lstatSync(join(top, path), { bigint: true }).mtimeNs, path).toBe(mtimeNs)
      }
    })
  })

  test('set-uid bits and capabilities survive the change of owner', async () => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')
    await withDirectory(async (top) => {
      await apply(top, [
        {
          op: 'file',
          path: 'ping',
          mode: 0o6755,
          uid: 1234,
          gid: 4321,
          source: { bytes: Buffer.from('elf') },
          xattrs: [
            ['security.capability', capability],
            ['user.binary', Buffer.from([0, 255, 10, 0])],
          ],
        },
        {
          op: 'directory',
          path: 'sticky',
          mode: 0o3777,
          uid: 7,
          gid: 8,
          xattrs: [['user.d', Buffer.from('1')]],
        },
        {
          op: 'symlink',
          path: 'link',
          target: 'ping',
          uid: 5,
          gid: 6,
          xattrs: [['trusted.t', Buffer.from('l')]],
        },
      ])
      const made = lstatSync(join(top, 'ping'))
      expect([made.mode & 0o7777, made.uid, made.gid]).toEqual([0o6755, 1234, 4321])
      const shown = execFileSync('getfattr', ['-h', '-d', '-m', '-', '-e', 'hex', 'ping', 'sticky', 'link'], {
        cwd: top,
        encoding: 'utf8',
      })
      expect(shown).toContain(`security.capability=0x${capability.toString('hex')}`)
      expect(shown).toContain('user.binary=0x00ff0a00')
      expect(shown).toContain('user.d=0x31')
      expect(shown).toContain('trusted.t=0x6c')
      const sticky = lstatSync(join(top, 'sticky'))
      expect([sticky.mode & 0o7777, sticky.uid, sticky.gid]).toEqual([0o3777, 7, 8])
      const link = lstatSync(join(top, 'link'))
      expect([link.uid, link.gid]).toEqual([5, 6])
    })
  })

  test('a set-gid directory does not hand its group to new entries', async () => {
    await withDirectory(async (top) => {
      await apply(top, [
        { op: 'directory', path: 's', mode: 0o2755, uid: 0, gid: 77 },
        file('s/f'),
        directory('s/d'),
        symlink('s/l', 'f'),
      ])
      for (const path of ['s/f', 's/d', 's/l']) expect(lstatSync(join(top, path)).gid, path).toBe(0)
      expect(lstatSync(join(top, 's/d')).mode & 0o7777).toBe(0o755)
    })
  })

  test('devices keep type, numbers and mode; 0:0 is refused', async () => {
    await withDirectory(async (top) => {
      const node = (path: string, type: 'char' | 'block', major: number, minor: number): FileOperation => ({
        op: 'node',
        path,
        type,
        major,
        minor,
        mode: 0o4640,
        ...owner,
      })
      await apply(top, [node('null', 'char', 1, 3), node('big', 'block', 259, 1_048_575)])
      expect(lstatSync(join(top, 'null')).rdev).toBe(0x103)
      expect(lstatSync(join(top, 'null')).mode & 0o7777).toBe(0o4640)
      const shown = execFileSync('stat', ['-c', '%t:%T', join(top, 'big')], { encoding: 'utf8' }).trim()
      expect(shown).toBe('103:fffff')
      await expect(apply(top, [node('w', 'char', 0, 0)])).rejects.toMatchObject({
        code: 'ERR_FILES_DEVICE_RESERVED',
      })
    })
  })

  test('overlay attributes cannot be smuggled in', async () => {
    await withDirectory(async (top) => {
      for (const name of ['trusted.overlay.opaque', 'user.overlay.whiteout', 'trusted.overlay.redirect']) {
        const operation: FileOperation = {
          ...directory('d'),
          op: 'directory',
          path: 'd',
          mode: 0o755,
          ...owner,
          xattrs: [[name, Buffer.from('y')]],
        }
        await expect(apply(top, [operation])).rejects.toMatchObject({ code: 'ERR_FILES_XATTR_RESERVED' })
      }
    })
  })
})

describe('a layer directory', () => {
  test('names are bytes', async () => {
    await withDirectory(async (top) => {
      await apply(top, [file('caf\xe9/\xff\xfe')])
      const names = readdirSync(Buffer.from(`${top}/caf\xe9`, 'latin1'), { encoding: 'buffer' })
      expect(names).toEqual([Buffer.from([0xff, 0xfe])])
    })
  })

  test('missing parents are made and reported, with 0755', async () => {
    await withDirectory(async (top) => {
      const counts = await apply(top, [file('./a/b/c/f'), file('/a/b/g'), directory('a/x/y')])
      expect(counts.implied).toEqual(['./a', './a/b', './a/b/c', 'a/x'])
      expect(counts).toMatchObject({ files: 2, directories: 1, bytes: 2 })
      expect(lstatSync(join(top, 'a/b')).mode & 0o7777).toBe(0o755)
      expect(tree(top)).toEqual(['d a', 'd a/b', 'd a/b/c', 'f a/b/c/f', 'f a/b/g', 'd a/x', 'd a/x/y'])
    })
  })

  test('what stands in the way is replaced, never written to', async () => {
    await withDirectory(async (top) => {
      await apply(top, [file('original', 'keep'), { op: 'hardlink', path: 'second', target: 'original' }])
      await apply(top, [
        file('second', 'changed'),
        directory('full/of/things'),
        file('full/of/f'),
        file('full', 'now a file'),
        file('plain'),
        directory('plain'),
        symlink('link', 'original'),
        file('link', 'not through the link'),
        symlink('dirlink', 'plain'),
        directory('dirlink'),
        file('parent'),
        file('parent/child'),
      ])
      expect(readFileSync(join(top, 'original'), 'utf8')).toBe('keep')
      expect(tree(top)).toEqual([
        'd dirlink',
        'f full',
        'f link',
        'f original',
        'd parent',
        'f parent/child',
        'd plain',
        'f second',
      ])
    })
  })

  test.skipIf(!isRoot)('whiteouts and opaque marks (needs root)', async () => {
    await withDirectory(async (top) => {
      await apply(top, [
        { op: 'whiteout', path: 'etc/gone' },
        { op: 'opaque', path: 'var/lib' },
        file('var/lib/own'),
      ])
      expect(tree(top)).toEqual(['d etc', 'c etc/gone 0', 'd var', 'd var/lib', 'f var/lib/own'])
      const mark = execFileSync('getfattr', [
        '--only-values',
        '-n',
        'trusted.overlay.opaque',
        join(top, 'var/lib'),
      ])
      expect(mark.toString()).toBe('y')
    })
  })

  test('keepExisting leaves a directory as it is', async () => {
    await withDirectory(async (top) => {
      await apply(top, [directory('d', 0o700)])
      await apply(top, [{ ...directory('d', 0o777), keepExisting: true } as FileOperation])
      expect(lstatSync(join(top, 'd')).mode & 0o777).toBe(0o700)
      await apply(top, [directory('d', 0o711), directory('.', 0o751)])
      expect(lstatSync(join(top, 'd')).mode & 0o777).toBe(0o711)
      expect(lstatSync(top).mode & 0o777).toBe(0o751)
    })
  })

  test('a directory replaced later does not give its time to what replaced it', async () => {
    await withDirectory(async (top) => {
      const before = BigInt(Date.now() - 5000) * 1_000_000n
      await apply(top, [
        { op: 'directory', path: 'd', mode: 0o755, ...owner, mtimeNs: 5n },
        file('d'),
        { op: 'directory', path: 'e', mode: 0o755, ...owner, mtimeNs: 7n },
        file('e/child'),
        { op: 'directory', path: 'gone', mode: 0o755, ...owner, mtimeNs: 7n },
        { op: 'remove', path: 'gone' },
      ])
      expect(lstatSync(join(top, 'd'), { bigint: true }).mtimeNs).toBeGreaterThan(before)
      expect(lstatSync(join(top, 'e'), { bigint: true }).mtimeNs).toBe(7n)
    })
  })

  test('hard links share the inode; a missing target is an error or a report', async () => {
    await withDirectory(async (top) => {
      await apply(top, [
        file('a'),
        { op: 'hardlink', path: 'b/c', target: '/a' },
        { op: 'hardlink', path: 'a', target: 'a' },
      ])
      expect(lstatSync(join(top, 'a')).ino).toBe(lstatSync(join(top, 'b/c')).ino)
      const missing: FileOperation = { op: 'hardlink', path: 'm', target: 'lower/file' }
      await expect(apply(top, [missing])).rejects.toMatchObject({ code: 'ERR_FILES_LINK_TARGET_MISSING' })
      const counts = await apply(top, [missing, file('after')], { missingLinkTargets: 'report' })
      expect(counts.missingLinks).toEqual([{ path: 'm', target: 'lower/file' }])
      expect(counts.files).toBe(1)
      const toDirectory: FileOperation = { op: 'hardlink', path: 'm', target: 'b' }
      await expect(apply(top, [toDirectory])).rejects.toMatchObject({ code: 'ERR_FILES_LINK_TO_DIRECTORY' })
    })
  })

  test('mkdirs follows links inside the root, dangling ones too', async () => {
    await withDirectory(async (top) => {
      await apply(top, [symlink('a', '/data/real'), symlink('data', 'srv/../store'), symlink('loop', 'loop')])
      const counts = await apply(top, [{ op: 'mkdirs', path: '/a/b/c', mode: 0o750, uid: 0, gid: 0 }])
      expect(tree(top)).toContain('d store/real/b/c')
      expect(counts.implied.length).toBeGreaterThan(0)
      await expect(
        apply(top, [{ op: 'mkdirs', path: 'loop/x', mode: 0o755, ...owner }]),
      ).rejects.toMatchObject({
        code: 'ERR_FILES_LINK_LOOP',
      })
    })
  })
})

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

describe.skipIf(!isRoot)('an overlay (needs root and mounts)', () => {
  async function withOverlay(
    body: (target: FileTarget & { kind: 'overlay' }, base: string) => Promise<void>,
    layers = 2,
  ): Promise<void> {
    await withDirectory(async (base) => {
      const lower = Array.from({ length: layers }, (_, i) => join(base, `layer-${i}`))
      for (const path of [...lower, join(base, 'upper'), join(base, 'work')]) mkdirSync(path)
      await body({ kind: 'overlay', lower, upper: join(base, 'upper'), work: join(base, 'work') }, base)
    })
  }
  const inLayer = (target: FileTarget & { kind: 'overlay' }, index: number, path: string): string =>
    join(target.lower[index] ?? '', path)

  test('lower layers are seen and stay as they are', async () => {
    await withOverlay(async (target) => {
      mkdirSync(inLayer(target, 0, 'usr/lib'), { recursive: true })
      symlinkSync('usr/lib', inLayer(target, 0, 'lib'))
      writeFileSync(inLayer(target, 0, 'usr/lib/a'), 'lower')
      mkdirSync(inLayer(target, 0, 'etc/conf.d'), { recursive: true })
      writeFileSync(inLayer(target, 0, 'etc/conf.d/one'), '1')
      writeFileSync(inLayer(target, 1, 'top'), 'top')
      await apply(target, [
        file('lib/a', 'upper'),
        file('lib/new'),
        file('etc/conf.d', 'file over directory'),
        { op: 'remove', path: 'top' },
        { op: 'hardlink', path: 'hard', target: 'lib/a' },
        { op: 'whiteout', path: 'usr/lib/absent' },
      ])
      expect(tree(target.upper)).toEqual([
        'd etc',
        'f etc/conf.d',
        'f hard',
        'c top 0',
        'd usr',
        'd usr/lib',
        'f usr/lib/a',
        'f usr/lib/new',
      ])
      expect(readFileSync(inLayer(target, 0, 'usr/lib/a'), 'utf8')).toBe('lower')
      expect(readFileSync(inLayer(target, 1, 'top'), 'utf8')).toBe('top')
      // A second application on the same directories must mount again.
      await apply(target, [file('again')])
      expect(
        execFileSync('sh', ['-c', `grep -c ${target.upper} /proc/self/mounts || true`], {
          encoding: 'utf8',
        }).trim(),
      ).toBe('0')
    })
  })

  test('a hard link to a lower file copies it up', async () => {
    await withOverlay(async (target) => {
      writeFileSync(inLayer(target, 0, 'below'), 'content')
      await apply(target, [{ op: 'hardlink', path: 'new', target: 'below' }])
      expect(readFileSync(join(target.upper, 'new'), 'utf8')).toBe('content')
      expect(lstatSync(join(target.upper, 'new')).ino).toBe(lstatSync(join(target.upper, 'below')).ino)
    })
  })

  test('a directory that replaces a removed one is opaque', async () => {
    await withOverlay(async (target) => {
      mkdirSync(inLayer(target, 1, 'd'))
      writeFileSync(inLayer(target, 1, 'd/old'), '')
      await apply(target, [{ op: 'remove', path: 'd' }, directory('d'), file('d/new')])
      const mark = execFileSync('getfattr', [
        '--only-values',
        '-n',
        'trusted.overlay.opaque',
        join(target.upper, 'd'),
      ])
      expect(mark.toString()).toBe('y')
    })
  })

  test('a file in the place of a parent is a mistake here', async () => {
    await withOverlay(async (target) => {
      writeFileSync(inLayer(target, 0, 'f'), '')
      await expect(apply(target, [file('f/child')])).rejects.toMatchObject({
        code: 'ERR_FILES_NOT_A_DIRECTORY',
      })
      await expect(apply(target, [{ op: 'mkdirs', path: 'f', mode: 0o755, ...owner }])).rejects.toMatchObject(
        {
          code: 'ERR_FILES_NOT_A_DIRECTORY',
        },
      )
    })
  })

  test('400 layers, and none', async () => {
    await withOverlay(async (target) => {
      writeFileSync(inLayer(target, 0, 'bottom'), '')
      await apply(target, [{ op: 'remove', path: 'bottom' }])
      expect(tree(target.upper)).toEqual(['c bottom 0'])
    }, 400)
    await withOverlay(async (target) => {
      await apply(target, [file('x'), { op: 'whiteout', path: 'x' }])
      expect(tree(target.upper)).toEqual([])
    }, 0)
  })
})

describe('ends', () => {
  test('a tree 5000 deep can be made, changed and removed', async () => {
    await withDirectory(async (top) => {
      const deep = 'd/'.repeat(5000)
      const counts = await apply(top, [
        { op: 'mkdirs', path: deep, mode: 0o755, ...owner },
        {
          op: 'file',
          path: `${deep}leaf`,
          mode: 0o600,
          ...owner,
          mtimeNs: 1n,
          source: { bytes: Buffer.from('x') },
        },
        file(`${deep}other/leaf`),
      ])
      expect(counts).toMatchObject({ files: 2 })
      expect(counts.implied.length).toBe(5001)
      expect(await apply(top, [{ op: 'remove', path: 'd' }])).toMatchObject({ removed: 1 })
      expect(readdirSync(top)).toEqual([])
    })
  })

  test('an aborted build stops at once', async () => {
    await withDirectory(async (top) => {
      const abort = new AbortController()
      async function* endless(): AsyncGenerator<FileOperation> {
        for (let i = 0; ; i++) {
          if (i === 100) abort.abort(new Error('interrupted'))
          yield file(`f${i}`)
        }
      }
      await expect(apply(top, endless(), { signal: abort.signal })).rejects.toThrow('interrupted')
      await expect(apply(top, [], { signal: abort.signal })).rejects.toThrow('interrupted')
    })
  })

  test('a failing iterable stops the helper and keeps its error', async () => {
    await withDirectory(async (top) => {
      function* failing(): Generator<FileOperation> {
        yield file('a')
        throw new Error('tar is broken')
      }
      await expect(apply(top, failing())).rejects.toThrow('tar is broken')
    })
  })

  test('a missing target and a missing helper are named', async () => {
    await expect(apply('/nonexistent/slipway', [file('x')])).rejects.toMatchObject({
      code: 'ERR_FILES_FAILED',
      message: 'open target /nonexistent/slipway: No such file or directory',
    })
    const broken = { ...native, helper: '/nonexistent/helper' }
    const signal = new AbortController().signal
    await expect(
      applyFileOperations({ kind: 'directory', path: '/nonexistent' }, [file('x')], {
        native: broken,
        signal,
      }),
    ).rejects.toMatchObject({ code: 'ERR_NATIVE_MISSING' })
  })

  test.skipIf(!isRoot)('a full disk is one clear error (needs root and mounts)', async () => {
    await withDirectory(async (top) => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', top])
      try {
        const many = Array.from({ length: 100 }, (_, i) => file(`f${i}`, 'x'.repeat(100_000)))
        await expect(apply(top, many)).rejects.toMatchObject({
          code: 'ERR_FILES_NO_SPACE',
          message: expect.stringMatching(/^write f\d+: No space left on device$/),
        })
      } finally {
        execFileSync('umount', [top])
      }
    })
  })
})
