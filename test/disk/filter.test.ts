import { describe, expect, it } from 'vitest'
import { filterFrom } from '../../src/disk/filter.ts'
import { item, nowMs } from './items.ts'

const items = [
  item('sha256:aa11', { description: 'RUN npm ci', lastUsedMs: nowMs - 3 * 3_600_000 }),
  item('bb22/0', { type: 'exec.cachemount', isMutable: true, isInUse: true }),
  item('cc33', { type: 'internal', isShared: true, parents: ['sha256:aa11', 'x'] }),
]
const chosen = (...filters: string[]): string =>
  items
    .filter(filterFrom(filters, nowMs))
    .map(({ id }) => id)
    .join(' ')

describe('filters', () => {
  it.each([
    [[], 'sha256:aa11 bb22/0 cc33'],
    [['until=2h'], 'sha256:aa11'],
    [['unused-for=0s'], 'sha256:aa11 bb22/0 cc33'],
    [['until=4h'], ''],
    [['type=exec.cachemount'], 'bb22/0'],
    [['type!=exec.cachemount'], 'sha256:aa11 cc33'],
    [['type~=^(internal|exec)'], 'bb22/0 cc33'],
    [['id=b2'], 'bb22/0'],
    [['id==b2'], ''],
    [['id!~=[ab]'], 'cc33'],
    [['parents=sha256:aa11;x'], 'cc33'],
    [['description~=npm'], 'sha256:aa11'],
    [['inuse'], 'bb22/0'],
    [['inuse=false'], 'sha256:aa11 cc33'],
    [['shared'], 'cc33'],
    [['private'], 'sha256:aa11 bb22/0'],
    [['mutable'], 'bb22/0'],
    [['immutable', 'private'], 'sha256:aa11'],
    [['immutable,shared'], 'cc33'],
  ])('%j', (filters, expected) => expect(chosen(...filters)).toBe(expected))

  it.each([
    ['colour=red', /known are until, inuse/],
    ['until=yesterday', /invalid duration "yesterday"/],
    ['until', /until=24h/],
    ['type=record', /types are regular/],
    ['type', /type needs a value/],
    ['id~=(', /no regular expression/],
    ['shared=maybe', /true or false/],
    ['until=1h,until=2h', undefined],
  ])('%j is refused', (filter, message) => {
    if (message === undefined) expect(() => filterFrom(['until=1h', 'until=2h'], nowMs)).toThrow(/given once/)
    else expect(() => filterFrom([filter], nowMs)).toThrow(message)
  })
})
