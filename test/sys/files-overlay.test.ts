// Trees through the helper: changes of an overlay.
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FileTarget } from '../../src/sys/files.ts'
import { apply, directory, file, owner, tree } from './files-rig.ts'
import { isRoot, withDirectory } from './native.ts'

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
