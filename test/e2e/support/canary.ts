// What a hostile build must not get at.
import { expect } from 'vitest'
import type { Finished } from './slipway.ts'

/** The content of files of the host. */
export const secret = 'CANARY-of-the-host'

/** Whatever came of a build, the host is not in what it says and slipway did not stumble. */
export function expectClean(result: Finished): void {
  const shown = result.stdout + result.stderr
  expect(shown).not.toContain(secret)
  expect(shown).not.toContain('bug in slipway')
  expect(shown).not.toMatch(/^ {4}at /m)
}
