import { describe, expect, it } from 'vitest'
import { goDuration, goList, goQuote, goQuoteAll } from '../../src/plan/go-format.ts'

describe('go-format', () => {
  it.each([
    ['plain', '"plain"'],
    ['a "b" \\c', '"a \\"b\\" \\\\c"'],
    ['tab\there\nbell\u0007', '"tab\\there\\nbell\\a"'],
    ["it's", '"it\'s"'],
    ['\u0001\u007f', '"\\x01\\x7f"'],
    ['é 漢 😀', '"é 漢 😀"'],
    ['a\u00a0b\u200bc', '"a\\u00a0b\\u200bc"'],
  ])('quotes %j as %s', (text, quoted) => {
    expect(goQuote(text)).toBe(quoted)
  })

  it('writes slices', () => {
    expect(goQuoteAll(['a', 'b c'])).toBe('["a" "b c"]')
    expect(goQuoteAll([])).toBe('[]')
    expect(goList(['80/tcp', '443/tcp'])).toBe('[80/tcp 443/tcp]')
  })

  it.each([
    [0, '0s'],
    [1, '1ns'],
    [1100, '1.1µs'],
    [2_200_000, '2.2ms'],
    [500_000_000, '500ms'],
    [3_300_000_000, '3.3s'],
    [90_000_000_000, '1m30s'],
    [3_600_000_000_000, '1h0m0s'],
    [5_025_000_000_001, '1h23m45.000000001s'],
  ])('writes %d ns as %s', (nanoseconds, text) => {
    expect(goDuration(nanoseconds)).toBe(text)
  })
})
