// What is remembered of local directories is bounded: the least recently used goes first, nothing that is in use.
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { watchRemembered } from '../../src/ops/copy/remembered.ts'
import { openStatCache } from '../../src/ops/copy/stat-cache.ts'
import { storageTime } from '../../src/ops/copy/storage-time.ts'
import { openTreeCache } from '../../src/ops/copy/tree-cache.ts'
import { writeHint } from '../support/write-hint.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-remembered-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const now = 2_000_000_000
const nowNs = BigInt(now) * 1_000_000_000n
const hours = 3600
const names = (): string[] => readdirSync(directory).sort()

/** A file that was used so many seconds before now. */
function file(name: string, age: number, bytes = 1): string {
  const path = join(directory, name)
  writeFileSync(path, Buffer.alloc(bytes))
  utimesSync(path, now - age, now - age)
  return path
}

const bound = (maxFiles: number, maxBytes = 1000): void =>
  watchRemembered(directory, nowNs, { maxFiles, maxBytes }).written()

describe('the bounds', () => {
  it('keep the files that were used last', () => {
    for (let i = 0; i < 10; i++) file(`${i}.tree`, i * 24 * hours + 2 * hours)
    file('whole', 36 * hours)
    bound(4)
    expect(names()).toEqual(['0.tree', '1.tree', '2.tree', 'whole'])
  })

  it('are of bytes, too', () => {
    file('a', 2 * hours, 400)
    file('b', 3 * hours, 400)
    file('c', 4 * hours, 400)
    bound(100)
    expect(names()).toEqual(['a', 'b'])
  })

  it('do not touch what a build that runs now may use', () => {
    for (let i = 0; i < 10; i++) file(`${i}.tree`, i * 60)
    file('later.tree', -5 * hours)
    bound(2)
    expect(names()).toHaveLength(11)
  })

  it('are kept once a build', () => {
    const remembered = watchRemembered(directory, nowNs, { maxFiles: 0, maxBytes: 0 })
    file('a', 2 * hours)
    remembered.written()
    file('b', 2 * hours)
    remembered.written()
    expect(names()).toEqual(['b'])
  })

  it('leave alone what is no file, and are nothing where the directory is not there', () => {
    symlinkSync('/etc/passwd', join(directory, 'link'))
    bound(0)
    expect(names()).toEqual(['link'])
    watchRemembered(join(directory, 'none'), nowNs).written()
    watchRemembered(directory, undefined, { maxFiles: 0, maxBytes: 0 }).written()
    watchRemembered(directory, nowNs).used(join(directory, 'none'))
  })
})

describe('a use', () => {
  it('is noted twice an hour', () => {
    const remembered = watchRemembered(directory, nowNs)
    const [old, young] = [file('old', 48 * hours), file('young', 1000)]
    remembered.used(old)
    remembered.used(young)
    expect([old, young].map((path) => statSync(path).mtimeMs / 1000)).toEqual([now, now - 1000])
  })

  it('is what both memories report, and a write bounds them', () => {
    const real = storageTime(directory) ?? 0n
    const state = { dev: 1n, ino: 1n, size: 1, mtimeNs: 1n, ctimeNs: 1n }
    const looks = { signature: 'a'.repeat(64), newestNs: 5n }
    const write = (context: string, remembered = watchRemembered(directory, real)): void => {
      const stats = openStatCache(directory, context, { write: writeHint, remembered })
      stats.startReading()
      stats.add('f', state, '0'.repeat(64))
      stats.save()
      openTreeCache(directory, [context], { write: writeHint, remembered }).put(
        '.',
        looks,
        digestOf('x'),
        real,
      )
    }
    const age = (path: string): void => utimesSync(path, 1_000_000_000, 1_000_000_000)
    write('/used')
    for (const name of names()) age(join(directory, name))
    const [first, second] = names()
    const remembered = watchRemembered(directory, real)
    expect(openStatCache(directory, '/used', { write: writeHint, remembered }).find('f', state)).toBe(
      '0'.repeat(64),
    )
    expect(openTreeCache(directory, ['/used'], { write: writeHint, remembered }).find('.', looks)).toBe(
      digestOf('x'),
    )
    for (const name of [first, second])
      expect(Math.round(statSync(join(directory, name ?? '')).mtimeMs)).toBe(Number(real / 1_000_000n))
    write('/unused')
    for (const name of names()) if (name !== first && name !== second) age(join(directory, name))
    // Two that were used, the first of two that are new; the second comes when the bounds are kept.
    write('/new', watchRemembered(directory, real, { maxFiles: 3, maxBytes: 1 << 20 }))
    expect(names()).toHaveLength(4)
    expect(names()).toEqual(expect.arrayContaining([first, second]))
  })
})
