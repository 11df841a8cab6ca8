// Files that only spare work, in a directory of their own within bounds: the longest unused goes first. Nothing here
// fails a build: what cannot be read is not known, what cannot be written is lost.
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { performance } from 'node:perf_hooks'
import { errnoOf } from '../core/error.ts'
import type { WriteHint } from '../store/hints.ts'

export interface HintLimits {
  readonly files: number
  readonly bytes: number
}

export interface HintFile {
  readonly path: string
  readonly size: number
  readonly usedMs: number
}

/** More than any directory of hints may hold. */
const maxHintBytes = 256 << 20

/** The text of a file; undefined when there is none, or something else that might keep its reader waiting. */
export function readHint(path: string): string | undefined {
  return attempt(() => {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const state = fstatSync(file)
      return state.isFile() && state.size <= maxHintBytes ? readFileSync(file, 'utf8') : undefined
    } finally {
      closeSync(file)
    }
  })
}

/** Keeps `text` as `directory`/`name`, both made where they are missing. */
export function keepHint(
  path: { readonly directory: string; readonly name: string },
  text: string,
  { writeHint, limits }: { readonly writeHint: WriteHint; readonly limits: HintLimits },
): void {
  const { directory, name } = path
  attempt(() => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeHint(`${directory}/${name}`, text)
    bound(directory, limits)
  })
}

/** The file has been used now. */
export function touchHint(path: string): void {
  const seconds = (performance.timeOrigin + performance.now()) / 1000
  attempt(() => utimesSync(path, seconds, seconds))
}

/** The files of a directory, the last used one first. */
export function hintsIn(directory: string): HintFile[] {
  const names = attempt(() => readdirSync(directory)) ?? []
  const found = names.flatMap((name): HintFile[] => {
    const path = `${directory}/${name}`
    const state = attempt(() => statSync(path, { throwIfNoEntry: false }))
    return state?.isFile() ? [{ path, size: state.size, usedMs: state.mtimeMs }] : []
  })
  return found.sort((a, b) => b.usedMs - a.usedMs)
}

/** What `act` gives; undefined when the disk refuses it. */
export function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown
    return undefined
  }
}

function bound(directory: string, { files, bytes }: HintLimits): void {
  let total = 0
  for (const [index, { path, size }] of hintsIn(directory).entries()) {
    total += size
    if (index >= files || total > bytes) attempt(() => rmSync(path, { force: true }))
  }
}
