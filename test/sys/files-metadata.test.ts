// Trees through the helper: exact metadata.
import { execFileSync } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FileOperation } from '../../src/sys/files.ts'
import { apply, directory, file, owner, symlink } from './files-rig.ts'
import { isRoot, withDirectory } from './native.ts'

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
