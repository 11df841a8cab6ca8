// What builds remember of local directories (stat-cache.ts, tree-cache.ts) stays within bounds: what was not used for the
// longest time is forgotten first.
import { lstatSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/error.ts'
import type { WriteHint } from '../../store/hints.ts'

export interface Remembered {
  /** To be told of every file that helped; its time becomes that of its last use, to the half hour. */
  used(file: string): void
  /** To be told when a file was written; the first time in a build the directory is brought within its bounds. */
  written(): void
}

/** What memory is written with. */
export interface MemoryOptions {
  readonly write: WriteHint
  readonly remembered?: Remembered
}

export interface RememberedLimits {
  readonly maxFiles: number
  readonly maxBytes: number
}

const usualLimits: RememberedLimits = { maxFiles: 2000, maxBytes: 1 << 30 }
const hourMs = 3_600_000

/** Watches over the files in `directory`, whose storage says that it is `nowNs`; undefined: it cannot be written to. */
export function watchRemembered(
  directory: string,
  nowNs: bigint | undefined,
  limits = usualLimits,
): Remembered {
  if (nowNs === undefined) return { used: () => undefined, written: () => undefined }
  const nowMs = Number(nowNs / 1_000_000n)
  let isBounded = false
  return {
    used(file) {
      const state = look(file)
      if (state === undefined || state.mtimeMs > nowMs - hourMs / 2) return
      tolerant(() => utimesSync(file, nowMs / 1000, nowMs / 1000))
    },
    written() {
      if (isBounded) return
      isBounded = true
      bound(directory, nowMs, limits)
    },
  }
}

interface Found {
  readonly file: string
  readonly mtimeMs: number
  readonly size: number
}

function bound(directory: string, nowMs: number, { maxFiles, maxBytes }: RememberedLimits): void {
  const names = tolerant(() => readdirSync(directory)) ?? []
  const found = names.flatMap((name): Found[] => {
    const file = join(directory, name)
    const state = look(file)
    return state === undefined ? [] : [{ file, ...state }]
  })
  let bytes = 0
  const beyond = found
    .toSorted((a, b) => b.mtimeMs - a.mtimeMs)
    .filter(({ size }, index) => {
      bytes += size
      return index >= maxFiles || bytes > maxBytes
    })
  for (const { file, mtimeMs } of beyond) {
    // A build that runs now has shown its use of it, and somebody may have since.
    const isIdle = (ms: number | undefined): boolean => ms !== undefined && ms <= nowMs - hourMs
    if (isIdle(mtimeMs) && isIdle(look(file)?.mtimeMs)) tolerant(() => rmSync(file, { force: true }))
  }
}

function look(file: string): { readonly mtimeMs: number; readonly size: number } | undefined {
  const state = tolerant(() => lstatSync(file, { throwIfNoEntry: false }))
  return state?.isFile() ? { mtimeMs: state.mtimeMs, size: state.size } : undefined
}

/** Memory that cannot be kept in order costs room or time, and no build. */
function tolerant<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown
    return undefined
  }
}
