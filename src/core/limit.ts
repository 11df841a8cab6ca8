// Bounded concurrency. Slots are taken around leaf work only (a transfer, a process, a compression):
// a task that waits for another slot of the same limit would deadlock.
import PQueue from 'p-queue'

/** Runs a task when one of the limit's slots is free; an aborted signal rejects tasks that have not started. */
export type Limit = <T>(run: () => Promise<T>, signal?: AbortSignal) => Promise<T>

/** At most `count` tasks at a time, first come first served. */
export function limit(count: number): Limit {
  const queue = new PQueue({ concurrency: count })
  return <T>(run: () => Promise<T>, signal?: AbortSignal) =>
    queue.add(run, signal === undefined ? {} : { signal }) as Promise<T>
}
