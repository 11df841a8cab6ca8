// Plans of builds that went well, on disk: `plans/`. A plan is found by the digest of everything it was made from, this
// program among it, so that no version has to understand another one's. Losing one costs the time of planning.
import { type Digest, digestOf, hexOf } from '../core/digest.ts'
import type { WriteHint } from '../store/hints.ts'
import { type HintLimits, keepHint, readHint, touchHint } from './hint-directory.ts'

const usualLimits: HintLimits = { files: 200, bytes: 64 << 20 }

/** Where a plan is, or would be, in the state directory `root`. */
export interface PlanPlace {
  readonly root: string
  readonly key: Digest
}

/** The JSON value that was kept. Nothing is written: the directory may be another version's. */
export function readPlan(place: PlanPlace): unknown {
  const body = bodyOf(readHint(pathOf(place)) ?? '')
  return body === undefined ? undefined : JSON.parse(body)
}

/** What was read has been of use. */
export function confirmPlan(place: PlanPlace): void {
  touchHint(pathOf(place))
}

/** Keeps a JSON value, unless it is a large one; plans that were used longest ago go when there are many. */
export function keepPlan(
  { root, key }: PlanPlace,
  value: unknown,
  { writeHint, limits = usualLimits }: { readonly writeHint: WriteHint; readonly limits?: HintLimits },
): void {
  // In memory, steps share the variables that each of them would be written with: the text may be longer than a string can be.
  if (roomLeft(limits.bytes / 8, value) < 0) return
  const body = JSON.stringify(value)
  const name = hexOf(key)
  keepHint({ directory: directoryOf(root), name }, `${headOf(body)}\n${body}`, { writeHint, limits })
}

/** Whether the text of a file in `plans/` is whole. */
export function isSoundPlan(text: string): boolean {
  return bodyOf(text) !== undefined
}

function pathOf({ root, key }: PlanPlace): string {
  return `${directoryOf(root)}/${hexOf(key)}`
}

function directoryOf(root: string): string {
  return `${root}/plans`
}

function headOf(body: string): string {
  return `slipway plan 1 ${digestOf(body)}`
}

/** What was written; undefined for what is not whole. */
function bodyOf(text: string): string | undefined {
  const end = text.indexOf('\n')
  const body = text.slice(end + 1)
  return end !== -1 && text.slice(0, end) === headOf(body) ? body : undefined
}

/** What is left of so many characters when a value is written in them, or less than nothing. What needs escapes is taken for shorter than it is. */
function roomLeft(room: number, value: unknown): number {
  if (typeof value === 'string') return room - value.length
  if (typeof value !== 'object' || value === null) return room - 1
  let left = room
  for (const [name, member] of Object.entries(value)) {
    left = roomLeft(left - name.length, member)
    if (left < 0) break
  }
  return left
}
