// Whether a collection may find anything to do, asked after builds: one look at the file system and a note of the last
// time. What the cache takes now is at most what it took then and what the file system has taken on since; where that
// is within the bounds nothing else is looked at. The note is put right by a collection a day, and by every prune.
import { errnoOf, SlipwayError } from '../core/error.ts'
import { layoutPaths } from '../store/layout-paths.ts'
import { writeUnsynced } from '../store/replace-file.ts'
import { type Bounds, keptSize } from './policy.ts'
import type { Room } from './room.ts'
import { readIfThere } from './stored-parts.ts'
import type { Size } from './types.ts'

/** How things were after the last collection. */
export interface Tally {
  readonly version: 1
  /** What counted against the bounds. */
  readonly counted: Size
  /** What was used of the whole file system. */
  readonly used: Size
  readonly atMs: number
}

const dayMs = 86_400_000
const hourMs = 3_600_000
/** Where a collection could not do enough, the next one waits for this much more. */
const growth = 1.05
const growthBytes = 64e6

/** Whether a collection is due. */
export function isDue(
  tally: Tally | undefined,
  { free, used }: Pick<Room, 'free' | 'used'>,
  bounds: Bounds,
  nowMs: number,
): boolean {
  const then = tally?.used ?? { bytes: 0, inodes: 0 }
  const counted = {
    bytes: (tally?.counted.bytes ?? 0) + Math.max(0, used.bytes - then.bytes),
    inodes: (tally?.counted.inodes ?? 0) + Math.max(0, used.inodes - then.inodes),
  }
  if (tally !== undefined) {
    const age = nowMs - tally.atMs
    // A note from the future was made by a clock that was wrong, or is now.
    if (age > dayMs || age < -hourMs) return true
    const grown = counted.bytes > tally.counted.bytes * growth + growthBytes
    if (exceeds(tally.counted, keptSize(tally.counted, free, bounds)) && !grown && age < hourMs) return false
  }
  return exceeds(counted, keptSize(counted, free, bounds))
}

function exceeds(size: Size, keep: Size | undefined): boolean {
  return keep !== undefined && (size.bytes > keep.bytes || size.inodes > keep.inodes)
}

function tallyPath(directory: string): string {
  return `${directory}/usage.json`
}

/** The note of the last collection; undefined when there is none, or none that can be read. */
export function readTally(directory: string): Tally | undefined {
  try {
    const value = JSON.parse(readIfThere(tallyPath(directory)) ?? '{}') as Partial<Tally> | null
    const numbers = [
      value?.counted?.bytes,
      value?.counted?.inodes,
      value?.used?.bytes,
      value?.used?.inodes,
      value?.atMs,
    ]
    return value?.version === 1 && numbers.every(Number.isFinite) ? (value as Tally) : undefined
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** Notes how things are. Where there is no room for that the next build looks again. */
export async function writeTally(directory: string, tally: Tally): Promise<void> {
  try {
    await writeUnsynced(tallyPath(directory), JSON.stringify(tally), layoutPaths(directory).ingest)
  } catch (thrown) {
    if (errnoOf(thrown) === undefined && !(thrown instanceof SlipwayError)) throw thrown
  }
}
