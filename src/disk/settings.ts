// What the cache may take when nobody says: BuildKit's bounds, from the size of the disk, or the user's own from the
// environment.
import { SlipwayError } from '../core/error.ts'
import { parseSize } from '../core/go-values.ts'
import type { Filter } from './filter.ts'
import type { Bounds, Policy } from './policy.ts'
import type { Room } from './room.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const gigabyte = 1e9
const hourMs = 3_600_000

/** Undefined when `SLIPWAY_GC` turns the collection after builds off. Throws ERR_GC_SETTING. */
export function boundsFrom(environment: Environment, { total }: Pick<Room, 'total'>): Bounds | undefined {
  if (['off', '0', 'false', 'no'].includes(environment.SLIPWAY_GC?.toLowerCase() ?? '')) return undefined
  const bytes = (name: string, usual: number): number => amount(environment, name, total.bytes, usual)
  const inodes = (name: string, usual: number): number => {
    // File systems that make inodes as they need them are not bounded by a share of infinitely many.
    return Number.isFinite(total.inodes) ? amount(environment, name, total.inodes, usual) : 0
  }
  return {
    reservedBytes: bytes('SLIPWAY_GC_RESERVED_SPACE', Math.min(share(total.bytes, 10), 10 * gigabyte)),
    maxUsedBytes: bytes('SLIPWAY_GC_MAX_USED_SPACE', Math.min(share(total.bytes, 80), 100 * gigabyte)),
    minFreeBytes: bytes('SLIPWAY_GC_MIN_FREE_SPACE', share(total.bytes, 20)),
    maxInodes: inodes('SLIPWAY_GC_MAX_INODES', Math.floor(total.inodes * 0.8)),
    minFreeInodes: inodes('SLIPWAY_GC_MIN_FREE_INODES', Math.floor(total.inodes * 0.05)),
  }
}

/** As BuildKit rounds: to whole gigabytes, at least one. */
function share(total: number, percent: number): number {
  return (Math.floor((total * percent) / 100 / 2 ** 30) + 1) * gigabyte
}

function amount(environment: Environment, name: string, total: number, usual: number): number {
  const text = environment[name]
  if (text === undefined || text === '') return usual
  const percent = /^(\d{1,3})%$/.exec(text)?.[1]
  const value = percent === undefined ? parseSize(text) : Math.floor((total * Number(percent)) / 100)
  if (value !== undefined) return value
  throw new SlipwayError({
    code: 'ERR_GC_SETTING',
    message: `read ${name}: ${JSON.stringify(text)} is no amount`,
    hint: 'give it as 20GB, 50000 or 10%; 0 is no bound',
  })
}

/** BuildKit's four rules: what is easily had again, what is old, what there is too much of, what people might still want. */
export function policiesFor(bounds: Bounds, nowMs: number): readonly Policy[] {
  const unusedFor =
    (ms: number): Filter =>
    ({ lastUsedMs }) =>
      lastUsedMs <= nowMs - ms
  const easy: Filter = ({ type }) => ['source.local', 'exec.cachemount', 'source.git.checkout'].includes(type)
  const isOld = unusedFor(48 * hourMs)
  return [
    { filter: (item) => easy(item) && isOld(item), all: false, bounds: { maxUsedBytes: 512e6 } },
    { filter: unusedFor(60 * 24 * hourMs), all: false, bounds },
    { filter: () => true, all: false, bounds },
    { filter: () => true, all: true, bounds },
  ]
}
