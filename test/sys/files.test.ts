// Trees through the helper: what a layer directory is made of, and how it ends.
import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { applyFileOperations, type FileOperation } from '../../src/sys/files.ts'
import { apply, directory, file, native, owner, symlink, tree } from './files-rig.ts'
import { isRoot, withDirectory } from './native.ts'

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

  test.skipIf(!isRoot)('what is there is given an owner, through no link', async () => {
    await withDirectory(async (top) => {
      await apply(top, [directory('d'), file('d/f'), symlink('l', 'd')])
      await apply(top, [
        { op: 'owner', path: 'd/f', uid: 5, gid: 6 },
        { op: 'owner', path: 'd', uid: 7, gid: 8 },
      ])
      expect([lstatSync(join(top, 'd/f')), lstatSync(join(top, 'd'))]).toMatchObject([
        { uid: 5, gid: 6 },
        { uid: 7, gid: 8 },
      ])
      for (const path of ['l', 'l/f']) {
        const refused = apply(top, [{ op: 'owner', path, uid: 1, gid: 1 }])
        await expect(refused).rejects.toMatchObject({ code: 'ERR_FILES_LINK_LOOP' })
      }
      expect(lstatSync(join(top, 'd/f'))).toMatchObject({ uid: 5 })
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
