import { describe, expect, it } from 'vitest'
import { filenameOf, secondsOf, tagOf } from '../../src/fetch/http-headers.ts'

describe('headers of a file', () => {
  it.each([
    [undefined, undefined],
    ['attachment', undefined],
    ['attachment; filename=a.txt', 'a.txt'],
    ['attachment; filename="a b.txt"', 'a b.txt'],
    ['attachment;FILENAME="a\\"b"', 'a"b'],
    ['inline; filename="/etc/passwd"', 'passwd'],
    ['inline; filename="../../x"', 'x'],
    ['inline; filename="dir/"', undefined],
    ['inline; filename=""', undefined],
    ["attachment; filename=plain; filename*=UTF-8''na%C3%AFve", 'naïve'],
    ["attachment; filename=plain; filename*=UTF-8''%zz", 'plain'],
    ["attachment; filename*=iso-8859-1''x", undefined],
  ])('finds in %j the name %j', (header, name) => {
    expect(filenameOf(header)).toBe(name)
  })

  it.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', 784_111_777],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 784_111_777],
    ['Sun Nov  6 08:49:37 1994 GMT', 784_111_777],
    ['yesterday', undefined],
    ['0', undefined],
    [undefined, undefined],
  ])('reads the date %j', (text, seconds) => {
    expect(secondsOf(text)).toBe(seconds)
  })

  it('compares tags without their weakness', () => {
    expect(tagOf('W/"a"')).toBe('"a"')
    expect(tagOf(' "a" ')).toBe('"a"')
    expect(tagOf('')).toBeUndefined()
  })
})
