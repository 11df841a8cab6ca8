// Golden files: compared as text, rewritten with UPDATE_GOLDEN=1, never rewritten where CI is set.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'

/** Expects the file to hold `text`; undefined means that it must not exist. */
export function expectGolden(path: string, text: string | undefined): void {
  const current = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  if (current === text) return
  if (process.env.UPDATE_GOLDEN === '1' && !process.env.CI) {
    if (text === undefined) rmSync(path)
    else writeFileSync(path, text)
    return
  }
  expect(text, `${path} (UPDATE_GOLDEN=1 rewrites it)`).toBe(current)
}
