import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeEntry, encodeEntry } from '../../src/cache/entry.ts'
import { digestOf } from '../../src/core/digest.ts'
import { sampleRecord } from './samples.ts'

const record = sampleRecord('a')

test('records and aliases survive their text', () => {
  expect(decodeEntry(encodeEntry({ record }), record.id)).toEqual({ record })
  expect(decodeEntry(encodeEntry({ alias: record.id }), digestOf('x'))).toEqual({ alias: record.id })
})

test('a record keeps the time and the line of its step', () => {
  const step = { build: 'app\n', stage: 'final', ordinal: 1, title: 'RUN x', file: 'Dockerfile', line: 3 }
  const kept = { ...record, tookMs: 1200, step }
  expect(decodeEntry(encodeEntry({ record: kept }), record.id)).toEqual({ record: kept })
  for (const wrong of [{ tookMs: -1 }, { tookMs: 'x' }, { step: { ...step, line: '3' } }, { step: {} }]) {
    const text = JSON.stringify({ version: 1, record: { ...kept, ...wrong } })
    expect(decodeEntry(text, record.id)).toBeUndefined()
  }
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
    }),
  )
})

test.each([
  ['another id', { record: { ...record, id: digestOf('other') } }],
  ['a snapshot id that is a path', { record: sampleRecord('a', ['../../etc']) }],
])('a record with %s is a miss', (_name, entry) => {
  expect(decodeEntry(encodeEntry(entry), record.id)).toBeUndefined()
})
