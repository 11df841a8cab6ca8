import { describe, expect, test } from 'vitest'
import { ulimits } from '../../src/cli/ulimit.ts'
import { SlipwayError } from '../../src/core/error.ts'

function hintOf(act: () => unknown): string | undefined {
  try {
    act()
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return thrown.hint
    throw thrown
  }
  return undefined
}

describe('--ulimit', () => {
  test.each([
    [['nofile=1024'], [{ name: 'nofile', soft: 1024, hard: 1024 }]],
    [['nofile=1024:4096'], [{ name: 'nofile', soft: 1024, hard: 4096 }]],
    [['core=0:-1'], [{ name: 'core', soft: 0, hard: -1 }]],
    [['memlock=-1'], [{ name: 'memlock', soft: -1, hard: -1 }]],
    [
      ['stack=1', 'cpu=5', 'stack=2'],
      [
        { name: 'cpu', soft: 5, hard: 5 },
        { name: 'stack', soft: 2, hard: 2 },
      ],
    ],
  ])('%j', (texts, expected) => {
    expect(ulimits(texts)).toEqual(expected)
  })

  test.each([
    ['nofile', /name=soft/],
    ['as=1', /one of core, cpu/],
    ['NOFILE=1', /one of core, cpu/],
    ['nofile=', /whole numbers/],
    ['nofile=a', /whole numbers/],
    ['nofile=1:2:3', /whole numbers/],
    ['nofile=1.5', /whole numbers/],
    ['nofile=-2', /whole numbers/],
    ['nofile=unlimited', /whole numbers/],
    ['nofile=2:1', /not above the hard one/],
    ['nofile=-1:5', /not above the hard one/],
    ['nofile=99999999999999999999', /below 2\^53/],
  ])('%s is refused', (text, message) => {
    expect(hintOf(() => ulimits([text]))).toMatch(message)
  })
})
