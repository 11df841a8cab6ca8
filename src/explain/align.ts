// Which step of an earlier build a step is: a step that was put in between must not make strangers of all that follow it.

/** What a step is recognised by. */
export interface Recognised {
  readonly stage: string
  readonly kind: string
  readonly title: string
  /** Equal for equal ops, whatever they stand on. */
  readonly likeness: string
}

/** Beyond this many comparisons a stage's steps are matched by their places. */
const mostComparisons = 1_000_000

/** For each of `now` the index of the step of `was` that it is, if any; order is kept within each stage. */
export function align(
  was: readonly Recognised[],
  now: readonly Recognised[],
): readonly (number | undefined)[] {
  const found: (number | undefined)[] = new Array(now.length).fill(undefined)
  const before = byStage(was)
  for (const [stage, places] of byStage(now)) {
    const old = before.get(stage) ?? []
    for (const [mine, its] of pairs(old, places, was, now)) found[mine] = its
  }
  return found
}

function byStage(steps: readonly Recognised[]): Map<string, number[]> {
  const stages = new Map<string, number[]>()
  for (const [index, { stage }] of steps.entries()) {
    const places = stages.get(stage)
    if (places === undefined) stages.set(stage, [index])
    else places.push(index)
  }
  return stages
}

/** The best match of two lists of steps that keeps their order, by dynamic programming over their common subsequences. */
function pairs(
  old: readonly number[],
  places: readonly number[],
  was: readonly Recognised[],
  now: readonly Recognised[],
): (readonly [number, number])[] {
  const worth = (i: number, j: number): number => alike(was[old[i] ?? -1], now[places[j] ?? -1])
  const [rows, columns] = [old.length, places.length]
  if (rows * columns > mostComparisons) return byPlace(old, places, worth)
  // best[i][j]: of the steps from the i-th old and the j-th new one on.
  const width = columns + 1
  const best = new Float64Array((rows + 1) * width)
  const at = (i: number, j: number): number => best[i * width + j] ?? 0
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const value = worth(i, j)
      const paired = value === 0 ? 0 : value + at(i + 1, j + 1)
      best[i * width + j] = Math.max(paired, at(i + 1, j), at(i, j + 1))
    }
  }
  const found: (readonly [number, number])[] = []
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    const value = worth(i, j)
    if (value > 0 && at(i, j) === value + at(i + 1, j + 1)) found.push([places[j++] ?? -1, old[i++] ?? -1])
    else if (at(i, j) === at(i + 1, j)) i++
    else j++
  }
  return found
}

function byPlace(
  old: readonly number[],
  places: readonly number[],
  worth: (i: number, j: number) => number,
): (readonly [number, number])[] {
  return places.flatMap((mine, index) => {
    const its = old[index]
    return its === undefined || worth(index, index) === 0 ? [] : [[mine, its] as const]
  })
}

/** Equal ops count more than equal instructions, and those more than two of the same kind. Powers, so that one of a better sort outweighs what it displaces. */
function alike(was: Recognised | undefined, now: Recognised | undefined): number {
  if (was === undefined || now === undefined || was.kind !== now.kind) return 0
  if (was.likeness === now.likeness) return was.title === now.title ? 9 : 8
  if (was.title === now.title) return 6
  return wordOf(was.title) === wordOf(now.title) ? 1 : 0
}

function wordOf(title: string): string {
  return title.split(' ', 1)[0] ?? ''
}
