// How much work something is, for tests that bound it: the processor's time, which a busy machine lengthens less.

/** Milliseconds that this process computed while `run` ran. */
export function cpuMilliseconds(run: () => void): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** The least of up to three runs, the first that stays below `bound` milliseconds being the last: on a shared machine one alone may be slow. */
export function leastCpuMilliseconds(bound: number, run: () => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < 3 && least >= bound; turn++) least = Math.min(least, cpuMilliseconds(run))
  return least
}
