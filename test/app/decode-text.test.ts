// What files are told to be that are no UTF-8 text, and where that shows.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeText } from '../../src/app/decode-text.ts'
import { SlipwayError } from '../../src/core/error.ts'
import '../support/property-seed.ts'

function failure(bytes: Buffer): string {
  try {
    return `text: ${decodeText(bytes, 'Dockerfile', 'x')}`
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown
    expect(thrown.hint).toBeDefined()
    return thrown.message
  }
}

it.each<[string, Buffer, string]>([
  ['UTF-16 with a mark', Buffer.from('\ufeffFROM a\n', 'utf16le'), 'it is UTF-16 text'],
  ['UTF-16, big end first', Buffer.from('\ufeffFROM a\n', 'utf16le').swap16(), 'it is UTF-16 text'],
  ['UTF-16 without a mark', Buffer.from('FROM a\nRUN b\n', 'utf16le'), 'it is UTF-16 text'],
  ['a program', Buffer.from('\x7fELF\x02\x01\x01\0\0\0'), 'it is no text: there is a NUL byte in line 1'],
  ['a NUL somewhere', Buffer.from('FROM a\nRUN b\0\n'), 'it is no text: there is a NUL byte in line 2'],
  ['Latin-1', Buffer.from('FROM a\nLABEL a=é\n', 'latin1'), 'it is not UTF-8 text: byte 0xE9 in line 2'],
  [
    'Latin-1 behind a replacement character',
    Buffer.concat([Buffer.from('# \ufffd é\n\n'), Buffer.from([0xff])]),
    'it is not UTF-8 text: byte 0xFF in line 3',
  ],
])('tells %s', (_name, bytes, reason) => {
  expect(failure(bytes)).toBe(`read Dockerfile x: ${reason}`)
})

it('takes comments of a Dockerfile in any encoding, but nothing that may be content', () => {
  const read = (text: string, what = 'Dockerfile'): string =>
    decodeText(Buffer.from(text, 'latin1'), what, 'x')
  expect(read('# Gr\xf6\xdfe\nFROM a\nRUN a \\\n  # \xe9\n  b\n')).toBe(
    '# Gr\ufffd\ufffde\nFROM a\nRUN a \\\n  # \ufffd\n  b\n',
  )
  expect(() => read('FROM a # \xe9\n')).toThrow('byte 0xE9 in line 1')
  expect(() => read('# \xe9\nFROM a\nRUN <<E\nE\n')).toThrow('byte 0xE9 in line 1')
  expect(() => read('# \xe9\n*.tmp\n', 'ignore file')).toThrow('byte 0xE9 in line 1')
})

it('reads all text there is, and nothing else', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const bytes = Buffer.from(text)
      fc.pre(!text.includes('\0'))
      expect(decodeText(bytes, 'Dockerfile', 'x')).toBe(text)
    }),
  )
})
