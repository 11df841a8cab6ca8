// The flag that e2fsprogs calls T is set where there is one, and nothing fails where there is none.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { spreadDirectories } from '../../src/sys/spread-directories.ts'
import { testNative } from './native.ts'

const native = testNative()
const ext4Magic = 0xef53
const canBeSeen = statfsSync(tmpdir()).type === ext4Magic && spawnSync('lsattr', ['-V']).error === undefined

describe('directories that have nothing to do with each other', () => {
  test.skipIf(!canBeSeen)('are flagged so (needs ext4 and lsattr)', () => {
    const directory = mkdtempSync(join(tmpdir(), 'slipway-spread-'))
    const flags = (): string =>
      execFileSync('lsattr', ['-d', directory], { encoding: 'utf8' }).split(' ')[0] ?? ''
    try {
      expect(flags()).not.toContain('T')
      spreadDirectories(directory, native)
      spreadDirectories(directory, native)
      expect(flags()).toContain('T')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test.skipIf(!existsSync('/proc/self'))('are no failure of a file system that knows no flags', () => {
    expect(() => spreadDirectories('/proc/self', native)).not.toThrow()
  })

  test('have to be there', () => {
    expect(() => spreadDirectories(join(tmpdir(), 'slipway-absent'), native)).toThrow('ENOENT')
  })
})
