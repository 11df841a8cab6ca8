import { describe, expect, test } from 'vitest'
import { meaningOf } from '../../src/layer/layer-path.ts'

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
