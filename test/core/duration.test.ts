// Durations as Go reads them, down to its order of mistakes.
import { expect, test } from 'vitest'
import { parseDuration } from '../../src/core/duration.ts'

test.each<[string, number]>([
  ['0', 0],
  ['-0', 0],
  ['1ns', 1],
  ['1h2m3.5s', 3723500000000],
  ['.5m', 30000000000],
  ['5.s', 5000000000],
  ['1us1µs1μs', 3000],
  ['-1.5ms', -1500000],
  ['0.3333333333333333333333h', 1200000000000],
  ['2562047h47m16s', 9223372036000000000],
])('%s', (text, nanoseconds) => {
  expect(parseDuration(text)).toBe(nanoseconds)
})

test.each([
  ['', 'time: invalid duration ""'],
  ['-', 'time: invalid duration "-"'],
  ['.s', 'time: invalid duration ".s"'],
  ['s', 'time: invalid duration "s"'],
  ['30', 'time: missing unit in duration "30"'],
  ['1s30', 'time: missing unit in duration "1s30"'],
  ['1d', 'time: unknown unit "d" in duration "1d"'],
  ['1 s', 'time: unknown unit " s" in duration "1 s"'],
  ['1S', 'time: unknown unit "S" in duration "1S"'],
  ['2562048h', 'time: invalid duration "2562048h"'],
  ['9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
])('%j is none', (text, message) => {
  expect(parseDuration(text)).toBe(message)
})

test('the longest duration stays within what Go can hold', () => {
  expect(BigInt(parseDuration('9223372036854775807ns')) < 1n << 63n).toBe(true)
})
