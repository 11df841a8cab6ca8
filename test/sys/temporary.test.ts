// Directories of one process: gone with it, or with the next one.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTemporary } from '../../src/sys/temporary.ts'
import { testNative } from './native.ts'

const native = testNative()
let parent: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'slipway-temporary-'))
})
afterEach(() => rmSync(parent, { recursive: true }))

describe('openTemporary', () => {
  it('makes a directory that goes with all in it', () => {
    {
      using one = openTemporary(parent, 'x-', native)
      using other = openTemporary(parent, 'x-', native)
      expect(one.path).not.toBe(other.path)
      mkdirSync(join(one.path, 'a/b'), { recursive: true })
      writeFileSync(join(one.path, 'a/f'), '')
      expect(existsSync(one.path) && existsSync(other.path)).toBe(true)
    }
    expect(readdirSync(parent)).toEqual([])
  })

  it('removes what a dead process left, and nothing else', () => {
    const [dead, young] = ['0', '1'].map((digit) => `x-${digit.repeat(16)}`)
    mkdirSync(join(parent, `${dead}/deep`), { recursive: true })
    for (const name of [`${dead}.lock`, `${young}.lock`, 'x-note.lock', `y-${'2'.repeat(16)}.lock`])
      writeFileSync(join(parent, name), '')
    mkdirSync(join(parent, `x-${'3'.repeat(16)}`))
    symlinkSync('/etc/passwd', join(parent, `x-${'4'.repeat(16)}.lock`))
    using living = openTemporary(parent, 'x-', native)
    using other = openTemporary(parent, 'x-', native)
    expect(existsSync(living.path) && existsSync(other.path)).toBe(true)
    const left = readdirSync(parent).filter(
      (name) => ![living, other].some((one) => join(parent, name).startsWith(one.path)),
    )
    expect(left.sort()).toEqual([
      `x-${'3'.repeat(16)}`,
      `x-${'4'.repeat(16)}.lock`,
      'x-note.lock',
      `y-${'2'.repeat(16)}.lock`,
    ])
  })

  it('says what the disk says', () => {
    expect(() => openTemporary(join(parent, 'none'), 'x-', native)).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    )
  })
})
