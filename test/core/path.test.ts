import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanPath } from '../../src/core/path.ts'

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
