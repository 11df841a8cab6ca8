import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choose, keptSize } from '../../src/disk/policy.ts'
import type { Inventory, Item, StoredPart } from '../../src/disk/types.ts'
import type { Part } from '../../src/store/leases.ts'
import { item, nowMs } from './items.ts'

const free = { bytes: 50_000, inodes: 1000 }
const none = { bytes: 0, inodes: 0 }

function inventory(items: readonly Item[]): Inventory {
  const parts = new Map<Part, StoredPart>()
  const owners = new Map<Part, Item>()
  for (const one of items) {
    for (const part of one.parts) {
      const other = owners.get(part)
      if (other === undefined || one.parts.length < other.parts.length) owners.set(part, one)
      parts.set(part, { part, path: `/${part}`, size: { bytes: 1000, inodes: 1 }, modifiedMs: 0 })
    }
  }
  return { items, parts, owners, total: none }
}

const everything = { filter: () => true, all: false, bounds: {} }
const ids = (items: readonly Item[]): string => items.map(({ id }) => id).join(' ')

describe('what is kept', () => {
  it.each([
    [{}, undefined],
    [{ maxUsedBytes: 700 }, 700],
    [{ minFreeBytes: 40_000 }, 1000],
    [{ minFreeBytes: 50_300 }, 700],
    [{ minFreeBytes: 50_300, maxUsedBytes: 600 }, 600],
    [{ minFreeBytes: 90_000, reservedBytes: 500 }, 500],
    [{ maxUsedBytes: 100, reservedBytes: 500 }, 500],
  ])('%j', (bounds, bytes) => {
    expect(keptSize({ bytes: 1000, inodes: 10 }, free, bounds)?.bytes).toBe(bytes)
  })

  it('of inodes as well', () => {
    expect(keptSize({ bytes: 1000, inodes: 10 }, free, { minFreeInodes: 1004 })).toEqual({
      bytes: Number.POSITIVE_INFINITY,
      inodes: 6,
    })
    expect(keptSize({ bytes: 1000, inodes: 10 }, free, { maxInodes: 3 })?.inodes).toBe(3)
  })
})

describe('a choice', () => {
  const one = item('one', { parts: ['snapshot:1'], own: none, lastUsedMs: nowMs - 50 })
  const two = item('two', { parts: ['snapshot:1', 'snapshot:2'], own: none, lastUsedMs: nowMs - 50 })
  const old = item('old', { parts: ['snapshot:3'], own: none, lastUsedMs: nowMs - 90 })

  it('takes the longest unused first, and what others were made from after those', () => {
    const { items, freed } = choose(inventory([one, two, old]), [everything], free)
    expect(ids(items)).toBe('old two one')
    expect(freed).toEqual({ bytes: 3000, inodes: 3 })
  })

  it('ends at the bounds', () => {
    const bounded = (maxUsedBytes: number): string =>
      ids(choose(inventory([one, two, old]), [{ ...everything, bounds: { maxUsedBytes } }], free).items)
    expect(bounded(3000)).toBe('')
    expect(bounded(2000)).toBe('old')
    expect(bounded(1999)).toBe('old two')
    expect(bounded(1)).toBe('old two one')
  })

  it('frees a part with the last that needs it', () => {
    const { items, released } = choose(
      inventory([one, two]),
      [{ ...everything, filter: ({ id }) => id === 'one' }],
      free,
    )
    expect(ids(items)).toBe('one')
    expect(released.get(one)).toEqual([])
  })

  it('leaves what is in use, named, internal or shared', () => {
    const kept = [
      item('used', { isInUse: true }),
      item('named', { type: 'image', names: ['x'] }),
      item('log', { type: 'internal' }),
      item('shared', { isShared: true }),
    ]
    expect(ids(choose(inventory(kept), [everything], free).items)).toBe('')
    expect(ids(choose(inventory(kept), [{ ...everything, all: true }], free).items)).toBe('log shared')
  })

  it('goes on with the next policy where the first did not do', () => {
    const log = item('log', { type: 'internal', lastUsedMs: nowMs - 99, own: { bytes: 2500, inodes: 1 } })
    const bounds = { maxUsedBytes: 2000 }
    const policies = [
      { ...everything, bounds },
      { ...everything, bounds, all: true },
    ]
    expect(ids(choose(inventory([log, one, two]), policies, free).items)).toBe('two one log')
    expect(ids(choose(inventory([log]), policies, free).items)).toBe('log')
  })

  it('never frees a part that somebody left needs, and never less than it may', () => {
    const parts = fc.subarray<Part>(['snapshot:1', 'snapshot:2', 'blob:3', 'blob:4', 'snapshot:5'])
    const items = fc.array(
      fc.record({
        parts,
        lastUsedMs: fc.integer({ min: nowMs - 100, max: nowMs }),
        isInUse: fc.boolean(),
        isShared: fc.boolean(),
      }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(items, fc.nat(15_000), (drafts, maxUsedBytes) => {
        const all = drafts.map((draft, index) => item(String(index), draft))
        const before = inventory(all)
        const policy = { ...everything, bounds: { maxUsedBytes } }
        const { items: gone, released } = choose(before, [policy], free)
        const left = all.filter((one) => !gone.includes(one))
        const needed = new Set(left.flatMap((one) => one.parts))
        const freed = [...released.values()].flat()
        expect(new Set(freed).size).toBe(freed.length)
        expect(freed.filter((part) => needed.has(part))).toEqual([])
        expect([...before.parts.keys()].filter((part) => !needed.has(part)).sort()).toEqual(freed.sort())
        expect(gone.filter(({ isInUse, isShared }) => isInUse || isShared)).toEqual([])
      }),
    )
  })
})
