import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMask } from '../../src/ops/mask.ts'
import '../support/property-seed.ts'

function masked(secrets: readonly string[], ...chunks: readonly string[]): string {
  const mask = openMask(secrets.map((text) => Buffer.from(text)))
  const shown = chunks.map((chunk) => mask.write(Buffer.from(chunk)))
  return Buffer.concat([...shown, mask.end()]).toString()
}

describe('openMask', () => {
  it('shows a value nowhere, however it is cut', () => {
    const text = 'a token: hunter2-hunter2hunter2, hunter, hunter2'
    const wanted = 'a token: ***-******, hunter, ***'
    expect(masked(['hunter2'], text)).toBe(wanted)
    expect(masked(['hunter2'], ...text)).toBe(wanted)
    for (let at = 0; at < text.length; at++) {
      expect(masked(['hunter2'], text.slice(0, at), text.slice(at))).toBe(wanted)
    }
  })

  it('does not need the line end that a file has', () => {
    expect(masked(['s3cret\n'], 'is s3cret, ', 's3cret\n')).toBe('is ***, ***\n')
    expect(masked(['s3cret\r\n'], 's3cret')).toBe('***')
  })

  it('masks a value of several lines as one, and its long lines by themselves', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBg\n}\n-----END KEY-----\n'
    expect(masked([key], `<${key}>`)).toBe('<***\n>')
    expect(masked([key], '> MIIEvQIBADANBg\n> }\n')).toBe('> ***\n> }\n')
    expect(masked([key], key.slice(0, 30), 'other')).toBe('***\nMIIEvQIBADother')
  })

  it('prefers the longer of two that begin alike', () => {
    expect(masked(['abcd', 'abcdef'], 'abcdefg abcdeg', ' abcd')).toBe('***g ***eg ***')
  })

  it('leaves texts alone that are too short to be secrets', () => {
    expect(masked(['', '1', 'ab', '\n'], '1 ab 11\n')).toBe('1 ab 11\n')
  })

  it('keeps back only what a secret begins with', () => {
    const mask = openMask([Buffer.from('abcabd')])
    expect(mask.write(Buffer.from('xabcab')).toString()).toBe('x')
    expect(mask.write(Buffer.from('cab')).toString()).toBe('abc')
    expect(mask.write(Buffer.from('d!')).toString()).toBe('***!')
    expect(mask.end()).toHaveLength(0)
  })

  it('gives chunks back untouched when there are no secrets', () => {
    const chunk = Buffer.from('x')
    expect(openMask([]).write(chunk)).toBe(chunk)
  })

  it('masks the same in pieces as at once: from left to right, the longest first', () => {
    const letters = (size: { minLength: number; maxLength: number }) =>
      fc.string({ unit: fc.constantFrom('a', 'b', 'c'), ...size })
    fc.assert(
      fc.property(
        fc.array(letters({ minLength: 3, maxLength: 7 }), { maxLength: 4 }),
        fc.array(letters({ minLength: 0, maxLength: 12 }), { maxLength: 10 }),
        (secrets, chunks) => {
          const longestFirst = [...secrets].sort((a, b) => b.length - a.length)
          const text = chunks.join('')
          const wanted =
            secrets.length === 0 ? text : text.replace(new RegExp(longestFirst.join('|'), 'g'), '***')
          expect(masked(secrets, ...chunks)).toBe(wanted)
        },
      ),
    )
  })
})
