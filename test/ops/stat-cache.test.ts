import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FileState, openStatCache } from '../../src/ops/copy/stat-cache.ts'
import { cpuMilliseconds } from '../support/cpu-time.ts'
import { writeHint as write } from '../support/write-hint.ts'

const sha = (n: number): string => n.toString(16).padStart(64, '0')
const state = (n: number): FileState => ({
  dev: 1n,
  ino: BigInt(n),
  size: n,
  mtimeNs: 1_000_000_000n * BigInt(n),
  ctimeNs: -5n,
})

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-stat-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('openStatCache', () => {
  it('finds after a reload what was added, and only in the same state', () => {
    const cache = openStatCache(directory, '/context', { write })
    cache.startReading()
    cache.add('a', state(1), sha(10))
    cache.add('sub/\xc3\xa4', state(2), sha(20))
    cache.save()
    const again = openStatCache(directory, '/context', { write })
    expect(again.find('a', state(1))).toBe(sha(10))
    expect(again.find('sub/\xc3\xa4', state(2))).toBe(sha(20))
    expect(again.find('b', state(1))).toBeUndefined()
    for (const change of [{ dev: 2n }, { ino: 9n }, { size: 9 }, { mtimeNs: 9n }, { ctimeNs: 9n }]) {
      expect(again.find('a', { ...state(1), ...change })).toBeUndefined()
    }
    expect(openStatCache(directory, '/other', { write }).find('a', state(1))).toBeUndefined()
  })

  it('does not trust a file that changed less than two seconds before it was read', () => {
    const cache = openStatCache(directory, '/context', { write })
    cache.startReading()
    const now = BigInt(Date.now()) * 1_000_000n
    cache.add('new', { ...state(1), ctimeNs: now - 1_000_000_000n }, sha(1))
    cache.add('old', { ...state(2), ctimeNs: now - 60_000_000_000n }, sha(2))
    cache.save()
    const again = openStatCache(directory, '/context', { write })
    expect(again.find('new', { ...state(1), ctimeNs: now - 1_000_000_000n })).toBeUndefined()
    expect(again.find('old', { ...state(2), ctimeNs: now - 60_000_000_000n })).toBe(sha(2))
  })

  it('keeps entries of files this build did not look at, and replaces changed ones', () => {
    const first = openStatCache(directory, '/context', { write })
    first.startReading()
    first.add('a', state(1), sha(1))
    first.add('b', state(2), sha(2))
    first.save()
    const second = openStatCache(directory, '/context', { write })
    second.startReading()
    second.add('a', state(3), sha(3))
    second.save()
    const third = openStatCache(directory, '/context', { write })
    expect(third.find('a', state(3))).toBe(sha(3))
    expect(third.find('b', state(2))).toBe(sha(2))
  })

  it('treats a damaged file as empty', () => {
    const cache = openStatCache(directory, '/context', { write })
    cache.startReading()
    for (let i = 0; i < 50; i++) cache.add(`file-${i}`, state(i), sha(i))
    cache.save()
    const [name = ''] = readdirSync(directory)
    const bytes = readFileSync(join(directory, name))
    for (const at of [0, 20, 60, bytes.length - 40, bytes.length - 1]) {
      const damaged = Buffer.from(bytes)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      writeFileSync(join(directory, name), damaged)
      expect(openStatCache(directory, '/context', { write }).find('file-1', state(1))).toBeUndefined()
    }
    writeFileSync(join(directory, name), bytes.subarray(0, 100))
    expect(openStatCache(directory, '/context', { write }).find('file-1', state(1))).toBeUndefined()
    writeFileSync(join(directory, name), bytes)
    expect(openStatCache(directory, '/context', { write }).find('file-1', state(1))).toBe(sha(1))
  })

  it('goes without when its directory cannot be made', () => {
    writeFileSync(join(directory, 'file'), '')
    const cache = openStatCache(join(directory, 'file', 'cache'), '/context', { write })
    cache.startReading()
    cache.add('a', state(1), sha(1))
    cache.save()
    expect(cache.find('a', state(1))).toBeUndefined()
  })

  it('leaves no temporary file and loads 30,000 entries fast', () => {
    const cache = openStatCache(directory, '/context', { write })
    cache.startReading()
    for (let i = 0; i < 30_000; i++) cache.add(`some/directory/of/files/number-${i}.ts`, state(i), sha(i))
    cache.save()
    expect(readdirSync(directory)).toHaveLength(1)
    const milliseconds = cpuMilliseconds(() => {
      const again = openStatCache(directory, '/context', { write })
      for (let i = 0; i < 30_000; i++) {
        if (again.find(`some/directory/of/files/number-${i}.ts`, state(i)) === undefined)
          throw new Error(`lost ${i}`)
      }
    })
    // 60 ms is the aim; the bound only catches a change of complexity.
    expect(milliseconds).toBeLessThan(600)
  })
})
