// Bounded concurrency. Slots are taken around leaf work only (a transfer, a process, a compression):
// a task that waits for another slot of the same limit would deadlock.
import PQueue from 'p-queue'

/** Runs a task when one of the limit's slots is free; settles only when the task has. With an aborted signal a task that has not started rejects instead. */
export type Limit = <T>(run: () => Promise<T>, signal?: AbortSignal) => Promise<T>

/** At most `count` tasks at a time, first come first served. */
export function limit(count: number): Limit {
  const queue = new PQueue({ concurrency: count })
  // The queue's own signal option would reject for a task that is still running.
  return <T>(run: () => Promise<T>, signal?: AbortSignal) =>
    queue.add(async () => {
      signal?.throwIfAborted()
      return await run()
    })
}
