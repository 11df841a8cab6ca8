// How much work something is, for tests that bound it: the processor's time, which a busy machine does not lengthen.

/** Milliseconds that this process computed while `run` ran. */
export function cpuMilliseconds(run: () => void): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
