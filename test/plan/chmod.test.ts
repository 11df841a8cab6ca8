import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyChmod, parseChmod } from '../../src/plan/lower/chmod.ts'

describe('chmod', () => {
  it.each([
    ['755', '755'],
    ['0755', '755'],
    ['07777', '7777'],
    ['0', '0'],
    ['u=rwX,go=rX', 'u=rwX,go=rX'],
    ['a+x', 'a+x'],
    ['go=', 'go='],
    ['+t', '+t'],
  ])('accepts %s', (text, mode) => {
    expect(parseChmod(text)).toBe(mode)
  })

  it.each(['', '888', '10000', '0o755', 'rwx', 'u', 'u+q', 'u=r,', ',u=r', '-1', '7 5'])(
    'refuses %j',
    (text) => {
      expect(parseChmod(text)).toBeUndefined()
    },
  )

  it('gives a file the mode chmod(1) gives it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'slipway-chmod-'))
    try {
      const file = join(directory, 'f')
      writeFileSync(file, '')
      const clause = fc
        .tuple(
          fc.constantFrom('u', 'g', 'o', 'a', 'ug', 'go', 'uo'),
          fc.constantFrom('+', '-', '='),
          fc.oneof(
            fc.constantFrom('u', 'g', 'o', ''),
            fc.subarray(['r', 'w', 'x', 'X']).map((letters) => letters.join('')),
          ),
        )
        .map((parts) => parts.join(''))
      const modes = fc.array(clause, { minLength: 1, maxLength: 3 }).map((clauses) => clauses.join(','))
      fc.assert(
        fc.property(modes, fc.integer({ min: 0, max: 0o777 }), (mode, from) => {
          chmodSync(file, from)
          execFileSync('chmod', [mode, file])
          expect(applyChmod(mode, from).toString(8)).toBe((statSync(file).mode & 0o7777).toString(8))
        }),
        { numRuns: 60 },
      )
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
