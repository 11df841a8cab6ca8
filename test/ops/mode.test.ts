import { describe, expect, it } from 'vitest'
import { parseMode } from '../../src/ops/copy/mode.ts'

const table: readonly [text: string, before: number, isDirectory: boolean, after: number][] = [
  ['755', 0o4600, false, 0o755],
  ['0', 0o777, false, 0],
  ['04755', 0o600, false, 0o4755],
  ['7777', 0, true, 0o7777],
  ['u=rwX,go=rX', 0o600, false, 0o644],
  ['u=rwX,go=rX', 0o700, false, 0o755],
  ['u=rwX,go=rX', 0o600, true, 0o755],
  ['u=rwX,go=rX', 0o4711, false, 0o755],
  ['go-w', 0o666, false, 0o644],
  ['=rw,+X', 0o755, false, 0o777],
  ['=rw,+X', 0o640, false, 0o666],
  ['+x', 0o644, false, 0o755],
  ['a+r', 0o200, false, 0o644],
  ['go=', 0o777, false, 0o700],
  ['go=u-w', 0o700, false, 0o755],
  ['g=u', 0o740, false, 0o770],
  ['o=g', 0o750, false, 0o755],
  ['u+s', 0o755, false, 0o4755],
  ['g+s', 0o755, true, 0o2755],
  ['o+s', 0o755, false, 0o755],
  ['+t', 0o755, true, 0o1755],
  ['o+t', 0o755, true, 0o755],
  ['a-x,a+X', 0o755, false, 0o755],
  ['u-X', 0o755, false, 0o655],
  ['ug+rw-x', 0o511, false, 0o661],
  ['u==', 0o777, false, 0o077],
]

describe('parseMode', () => {
  it.each(table)('%s turns %o (directory: %s) into %o', (text, before, isDirectory, after) => {
    expect(parseMode(text)(before, isDirectory).toString(8)).toBe(after.toString(8))
  })

  it.each(['', '8', '0o7', '10000', 'u', 'rw', 'u=rwx,', 'u=q', 'z+x', '-1', '+ x'])('refuses %j', (text) => {
    expect(() => parseMode(text)).toThrow(/invalid chmod parameter/)
  })
})
