import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanPath, meaningOf } from '../../src/layer/layer-path.ts'

describe('a clean path', () => {
  test.each([
    ['a/b', 'a/b'],
    ['./a', 'a'],
    ['/a//b/', 'a/b'],
    ['.', ''],
    ['./', ''],
    ['/', ''],
    ['..', ''],
    ['../../etc/passwd', 'etc/passwd'],
    ['a/../../b', 'b'],
    ['a/./b/../c', 'a/c'],
    ['...', '...'],
    ['.a/..b', '.a/..b'],
  ])('%s is %j', (name, path) => {
    expect(cleanPath(name)).toBe(path)
  })

  test('never leads out of the root and stays as it is', () => {
    const part = fc.constantFrom('..', '.', '', 'a', '.wh.a', '..a', 'b\xff')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const path = cleanPath(parts.join('/'))
        expect(cleanPath(path)).toBe(path)
        expect(path === '' || path.split('/').every((p) => p !== '' && p !== '.' && p !== '..')).toBe(true)
      }),
    )
  })
})

describe('what a name means in a layer', () => {
  test.each([
    ['a/.wh.b', { kind: 'whiteout', path: 'a/b' }],
    ['.wh.b', { kind: 'whiteout', path: 'b' }],
    ['./a/.wh..wh..opq', { kind: 'opaque', path: 'a' }],
    ['.wh..wh..opq', { kind: 'opaque', path: '' }],
    ['.wh..wh.plnk', { kind: 'ignored' }],
    ['.wh..wh.plnk/1.2', { kind: 'ignored' }],
    ['a.wh.b', { kind: 'entry', path: 'a.wh.b' }],
  ])('%s', (name, meaning) => {
    expect(meaningOf(name)).toEqual(meaning)
  })

  test.each(['.wh.', 'a/.wh.', '.wh..', 'a/.wh...', '.wh.a/b'])('%s is refused', (name) => {
    expect(() => meaningOf(name)).toThrow(expect.objectContaining({ code: 'ERR_TAR_INVALID' }))
  })
})
