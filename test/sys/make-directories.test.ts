import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDirectories } from '../../src/sys/make-directories.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slipway-directories-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('makes what is missing, and says where that begins', () => {
  expect(makeDirectories(join(root, 'a/b/c'), 0o700)).toBe(join(root, 'a'))
  expect(statSync(join(root, 'a/b/c')).mode & 0o777).toBe(0o700)
  expect(makeDirectories(join(root, 'a/b/c'))).toBeUndefined()
  expect(makeDirectories(join(root, 'x/z'))).toBe(join(root, 'x'))
  expect(existsSync(join(root, 'x/z'))).toBe(true)
})

test.each([
  ['ENOENT', () => '/proc/no/such'],
  ['ENOTDIR', () => join(root, 'file/below')],
  ['ENOENT', () => join(root, 'dangling/below')],
])('fails with %s rather than for ever', (code, path) => {
  writeFileSync(join(root, 'file'), '')
  symlinkSync('nowhere', join(root, 'dangling'))
  expect(() => makeDirectories(path())).toThrow(expect.objectContaining({ code }))
})
