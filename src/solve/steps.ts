// The life of the ops of one solve: memoised once, reported as started/finished/failed, aborted together.
import type { Context } from '../core/context.ts'
import { errorJson, firstFailure, SlipwayError } from '../core/error.ts'
import type { StepId } from '../core/event.ts'

export interface Steps {
  /** The caller's context, whose signal is also aborted by the first failure. */
  readonly cx: Context
  /** Memoises `act` per step. */
  once<K extends StepId, T>(act: (step: K) => Promise<T>): (step: K) => Promise<T>
  /** Work on behalf of a step: what it throws is the step's failure. */
  of<T>(step: StepId, act: () => Promise<T>): Promise<T>
  /** Runs a step between its events. */
  run<T>(step: StepId, act: () => Promise<T>): Promise<T>
  /** Resolves with the error to report when nothing of the solve is under way any more. */
  settled(thrown: unknown): Promise<unknown>
}

/** The steps of one solve under the caller's context. With `keepGoing` a failure stops nothing but what needs the step. */
export function steps(outer: Context, keepGoing = false): Steps {
  const abort = new AbortController()
  const cx: Context = {
    signal: AbortSignal.any([outer.signal, abort.signal]),
    emit: (event) => outer.emit(event),
    drained: () => outer.drained?.(),
    now: () => outer.now(),
    debug: (message, fields) => outer.debug(message, fields),
  }
  const pending = new Set<Promise<unknown>>()
  const reported = new Set<StepId>()
  const started = new Set<StepId>()
  /** What was thrown → what is told of it; equal work of several steps fails once. */
  const failures = new Map<unknown, unknown>()
  let first: { readonly error: unknown } | undefined

  const fail = (step: StepId, thrown: unknown): unknown => {
    // A bug is nothing to go on from.
    if (keepGoing && thrown instanceof SlipwayError && !cx.signal.aborted && !isAnothersFault(thrown)) {
      const error = failures.get(thrown) ?? withStep(thrown, step)
      failures.set(thrown, error)
      report(step, error)
      return error
    }
    if (first === undefined) {
      first = { error: outer.signal.aborted ? canceled(outer.signal) : withStep(thrown, step) }
      report(step, first.error)
      abort.abort(first.error)
    } else if (started.has(step)) {
      report(step, canceled(cx.signal))
    }
    return first.error
  }
  const report = (step: StepId, error: unknown): void => {
    if (reported.has(step) || isAnothersFault(error)) return
    reported.add(step)
    cx.emit({ type: 'op-failed', step, error: errorJson(error) })
  }

  return {
    cx,
    once: <K extends StepId, T>(act: (step: K) => Promise<T>) => {
      const made = new Map<K, Promise<T>>()
      return (step: K) => {
        // Started in a turn of its own: graphs are deeper than a call stack.
        const promise = made.get(step) ?? Promise.resolve(step).then(act)
        made.set(step, promise)
        pending.add(promise)
        return promise
      }
    },
    of: async (step, act) => {
      try {
        return await act()
      } catch (thrown) {
        throw fail(step, firstFailure(thrown))
      }
    },
    run: async (step, act) => {
      cx.signal.throwIfAborted()
      started.add(step)
      cx.emit({ type: 'op-started', step })
      const value = await act()
      started.delete(step)
      cx.emit({ type: 'op-finished', step })
      return value
    },
    settled: async (thrown) => {
      if (failures.size === 0) abort.abort(thrown)
      let count = -1
      while (count !== pending.size) {
        count = pending.size
        await Promise.allSettled(pending)
      }
      if (first !== undefined) return first.error
      if (outer.signal.aborted) return canceled(outer.signal)
      const all = [...failures.values()]
      return all.length > 1 ? allOf(all) : (all[0] ?? thrown)
    },
  }
}

function allOf(failures: readonly unknown[]): SlipwayError {
  return new SlipwayError({
    code: 'ERR_STEPS_FAILED',
    message: `${failures.length} steps failed`,
    data: { failures: failures.map(errorJson) },
    cause: new AggregateError(failures),
  })
}

function canceled(signal: AbortSignal): unknown {
  const reason: unknown = signal.reason
  if (reason instanceof SlipwayError && reason.code === 'ERR_CANCELED') return reason
  return new SlipwayError({ code: 'ERR_CANCELED', message: 'build canceled', cause: reason })
}

function withStep(thrown: unknown, step: StepId): unknown {
  if (!(thrown instanceof SlipwayError)) return thrown
  return new SlipwayError({
    code: thrown.code,
    message: thrown.message,
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
    data: { ...thrown.data, step },
    cause: thrown,
  })
}

/** A layer that a remote cache promised is not there or not right: the solve is done again without it, and nobody's step has failed. */
function isAnothersFault(error: unknown): boolean {
  return error instanceof SlipwayError && error.code === 'ERR_CACHE_LAYER'
}
