import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeEntry, decodeKey, encodeEntry, encodeKey } from '../../src/cache/entry.ts'
import { digestOf } from '../../src/core/digest.ts'
import { sampleKey, sampleRecord } from './samples.ts'

const record = sampleRecord('a')

test('records, aliases and keys survive their text', () => {
  expect(decodeEntry(encodeEntry({ record }), record.id)).toEqual({ record })
  expect(decodeEntry(encodeEntry({ alias: record.id }), digestOf('x'))).toEqual({ alias: record.id })
  expect(decodeKey(encodeKey(sampleKey('a')))).toEqual(sampleKey('a'))
})

test('a text cut anywhere is a miss', () => {
  const text = encodeEntry({ record })
  for (let length = 0; length < text.length; length++) {
    expect(decodeEntry(text.slice(0, length), record.id)).toBeUndefined()
  }
})

test('any other JSON is a miss', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(decodeEntry(text, record.id)).toBeUndefined()
      expect(decodeKey(text)).toBeUndefined()
    }),
  )
})

test.each([
  ['another id', { record: { ...record, id: digestOf('other') } }],
  ['a snapshot id that is a path', { record: sampleRecord('a', ['../../etc']) }],
])('a record with %s is a miss', (_name, entry) => {
  expect(decodeEntry(encodeEntry(entry), record.id)).toBeUndefined()
})
