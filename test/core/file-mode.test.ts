import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseFileMode } from '../../src/core/file-mode.ts'

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

describe('parseFileMode', () => {
  it.each(table)('%s turns %o (directory: %s) into %o', (text, before, isDirectory, after) => {
    expect(parseFileMode(text)?.(before, isDirectory).toString(8)).toBe(after.toString(8))
  })

  it.each(['', '8', '0o7', '10000', 'u', 'rw', 'u=rwx,', 'u=q', 'z+x', '-1', '+ x'])('refuses %j', (text) => {
    expect(parseFileMode(text)).toBeUndefined()
  })

  it('gives a file the mode chmod(1) gives it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'slipway-mode-'))
    try {
      const file = join(directory, 'f')
      writeFileSync(file, '')
      const clause = (letters: string[]) =>
        fc
          .tuple(
            fc.constantFrom('u', 'g', 'o', 'a', 'ug', 'go', 'uo'),
            fc.constantFrom('+', '-', '='),
            fc.oneof(
              fc.constantFrom('u', 'g', 'o', ''),
              fc.subarray(letters).map((some) => some.join('')),
            ),
          )
          .map((parts) => parts.join(''))
      // `X` in a later clause is judged by the mode before the first one (setmode(3)), by chmod(1) by the one so far.
      const first = clause(['r', 'w', 'x', 'X'])
      const later = fc.array(clause(['r', 'w', 'x']), { maxLength: 2 })
      const modes = fc.tuple(first, later).map(([one, more]) => [one, ...more].join(','))
      fc.assert(
        fc.property(modes, fc.integer({ min: 0, max: 0o777 }), (mode, from) => {
          chmodSync(file, from)
          execFileSync('chmod', [mode, file])
          expect(parseFileMode(mode)?.(from, false).toString(8)).toBe(
            (statSync(file).mode & 0o7777).toString(8),
          )
        }),
        { numRuns: 60 },
      )
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
