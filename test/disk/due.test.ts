import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isDue, readTally, type Tally, writeTally } from '../../src/disk/due.ts'
import { boundsFrom } from '../../src/disk/settings.ts'
import { nowMs } from './items.ts'

const size = (bytes: number, inodes = 0) => ({ bytes, inodes })
const bounds = { maxUsedBytes: 1e9, reservedBytes: 1e8, minFreeBytes: 1e10 }
const room = (used: number, free = 5e10) => ({ used: size(used), free: size(free, 1000) })
const tally = (counted: number, used: number, ageMs = 60_000): Tally => ({
  version: 1,
  counted: size(counted),
  used: size(used),
  atMs: nowMs - ageMs,
})
const hour = 3_600_000

describe('a collection is due', () => {
  it.each([
    ['never on a disk that holds less than the cache may', undefined, room(9e8), false],
    ['when nobody knows what of a fuller disk is cache', undefined, room(2e9), true],
    ['when so much was added', tally(5e8, 5e9), room(5.6e9), true],
    ['not when little was', tally(5e8, 5e9), room(5.4e9), false],
    ['not when others freed something', tally(5e8, 5e9), room(3e9), false],
    ['when the disk is full and there is something to give', tally(5e8, 5e9), room(5.1e9, 9e9), true],
    ['not when what there is is reserved', tally(9e7, 5e9), room(5e9, 9e9), false],
    ['not again when the last one could not do enough', tally(2e9, 5e9), room(5.1e9), false],
    ['but when much was added since', tally(2e9, 5e9), room(5.2e9), true],
    ['or an hour later', tally(2e9, 5e9, hour + 1), room(5e9), true],
    ['every day', tally(5e8, 5e9, 25 * hour), room(5e9), true],
    ['when the last one was in the future', tally(5e8, 5e9, -2 * hour), room(5e9), true],
  ] as const)('%s', (_name, last, now, expected) => expect(isDue(last, now, bounds, nowMs)).toBe(expected))

  it('for inodes as for bytes', () => {
    const now = { used: size(0, 600), free: size(1e12, 40) }
    expect(isDue(undefined, now, { maxInodes: 500 }, nowMs)).toBe(true)
    expect(isDue(undefined, now, { maxInodes: 700 }, nowMs)).toBe(false)
    expect(isDue(undefined, now, { minFreeInodes: 50 }, nowMs)).toBe(true)
  })
})

describe('the note of the last collection', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'slipway-due-'))
    mkdirSync(join(directory, 'ingest'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it('is read as it was written', async () => {
    expect(readTally(directory)).toBeUndefined()
    await writeTally(directory, tally(1, 2))
    expect(readTally(directory)).toEqual(tally(1, 2))
  })

  it.each(['', '{', 'null', '{"version":2}', '{"version":1,"counted":{"bytes":"1"}}'])(
    'is none in %j',
    (text) => {
      writeFileSync(join(directory, 'usage.json'), text)
      expect(readTally(directory)).toBeUndefined()
    },
  )
})

describe('the bounds', () => {
  const total = { total: size(1000 * 2 ** 30, 1_000_000) }

  it('are those of BuildKit when nobody says otherwise', () => {
    expect(boundsFrom({}, total)).toEqual({
      reservedBytes: 10e9,
      maxUsedBytes: 100e9,
      minFreeBytes: 201e9,
      maxInodes: 800_000,
      minFreeInodes: 50_000,
    })
    expect(boundsFrom({}, { total: size(50 * 2 ** 30, Number.POSITIVE_INFINITY) })).toEqual({
      reservedBytes: 6e9,
      maxUsedBytes: 41e9,
      minFreeBytes: 11e9,
      maxInodes: 0,
      minFreeInodes: 0,
    })
  })

  it("are the environment's where it has some", () => {
    const set = {
      SLIPWAY_GC_MAX_USED_SPACE: '20GB',
      SLIPWAY_GC_MIN_FREE_SPACE: '5%',
      SLIPWAY_GC_MAX_INODES: '7',
    }
    expect(boundsFrom(set, total)).toMatchObject({
      maxUsedBytes: 20 * 2 ** 30,
      minFreeBytes: 50 * 2 ** 30,
      maxInodes: 7,
    })
    expect(boundsFrom({ SLIPWAY_GC: 'off' }, total)).toBeUndefined()
    expect(() => boundsFrom({ SLIPWAY_GC_RESERVED_SPACE: '1x' }, total)).toThrow(/"1x" is no amount/)
  })
})
