// The ambient things of one command, passed explicitly to everything that acts.
import { type ErrorJson, errorJson, SlipwayError } from './error.ts'
import type { BuildEvent, StepId } from './event.ts'

export interface Context {
  /** Aborted when the user interrupts or a sibling step failed; every await on the outside world takes it. */
  readonly signal: AbortSignal
  emit(event: BuildEvent): void
  /** When more was emitted than its reader has taken: resolves when there is room again, or when the signal is aborted. */
  drained?(): Promise<void> | undefined
  /** The wall clock as RFC 3339 with nanoseconds' width, or the pinned epoch of a reproducible build. */
  now(): string
  /** The debug log; never part of a command's output. `fields` must not hold secrets. */
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** Runs one of the builder's own tasks between its started and finished/failed events. */
export async function task<T>(cx: Context, step: StepId, title: string, run: () => Promise<T>): Promise<T> {
  cx.emit({ type: 'task-started', step, title })
  try {
    const value = await run()
    cx.emit({ type: 'task-finished', step })
    return value
  } catch (thrown) {
    // Streams and timers say no more than that they were aborted.
    const isOwn = thrown instanceof SlipwayError || !cx.signal.aborted
    const error: ErrorJson = errorJson(isOwn ? thrown : cx.signal.reason)
    cx.emit({ type: 'task-failed', step, error })
    throw thrown
  }
}
