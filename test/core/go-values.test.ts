// Numbers, booleans and sizes as Go and go-units read them.
import { expect, test } from 'vitest'
import { parseBoolean, parseSize, parseUnsigned } from '../../src/core/go-values.ts'

test.each<[string, number | undefined]>([
  ['0', 0],
  ['64', 64],
  ['64b', 64],
  ['1k', 1024],
  ['1KB', 1024],
  ['1.5MiB', 1572864],
  ['.5g', 536870912],
  ['5.k', 5120],
  ['1e3k', 1024000],
  ['2 m', 2097152],
  ['+1t', 1099511627776],
  ['1p', 1125899906842624],
  ['1_0k', 10240],
  ['-0', 0],
  ['', undefined],
  ['k', undefined],
  ['-1', undefined],
  ['-.5', undefined],
  ['1x', undefined],
  ['1kk', undefined],
  ['1kbb', undefined],
  ['1bk', undefined],
  ['1  m', undefined],
  ['0x10', undefined],
  ['9999999p', undefined],
])('the size %j is %j', (text, size) => {
  expect(parseSize(text)).toBe(size)
})

test('booleans and numbers have no other spellings', () => {
  expect(['1', 't', 'T', 'TRUE', 'true', 'True'].map(parseBoolean)).toEqual(Array(6).fill(true))
  expect(['0', 'f', 'F', 'FALSE', 'false', 'False'].map(parseBoolean)).toEqual(Array(6).fill(false))
  expect(['', 'yes', 'tRUE', ' 1'].map(parseBoolean)).toEqual(Array(4).fill(undefined))
  expect(['0', '0755', '37777777777'].map((text) => parseUnsigned(text, 8))).toEqual([0, 0o755, 2 ** 32 - 1])
  expect(['8', '0o7', '-1', '', '40000000000'].map((text) => parseUnsigned(text, 8))).toEqual(
    Array(5).fill(undefined),
  )
  expect(['007', '4294967295', '4294967296', '1_0'].map((text) => parseUnsigned(text, 10))).toEqual([
    7,
    4294967295,
    undefined,
    undefined,
  ])
})
