// What pull and push have in common: how many transfers at once, what is reported, what is tried again.
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import type { StepId } from '../core/event.ts'
import { type Limit, limit } from '../core/limit.ts'
import type { CopyOptions, CopyProgress } from '../store/copy.ts'
import { isTransient } from './failure.ts'
import { backoffMs, pause } from './retry.ts'

/** Transfers at once; more gain nothing from one registry and annoy it (BuildKit's number too). */
const parallel = 4
const tries = 5
const baseMs = 500

/** Copy options whose progress is reported under `step`. */
export function transferOptions(cx: Context, step: StepId, slots: Limit = limit(parallel)): CopyOptions {
  return {
    limit: slots,
    signal: cx.signal,
    onProgress: (progress) => report(cx, step, progress),
    async retry(thrown, attempt, descriptor) {
      const isBadJoin = thrown instanceof SlipwayError && thrown.data?.wasResumed === true && attempt === 1
      if (!isBadJoin && (attempt >= tries || !isTransient(thrown))) return false
      cx.debug('transfer again', { digest: descriptor.digest, attempt, failure: String(thrown) })
      await pause(isBadJoin ? 0 : backoffMs({ tries, baseMs }, attempt), cx.signal)
      return true
    },
  }
}

function report(cx: Context, step: StepId, { descriptor, state, current }: CopyProgress): void {
  cx.emit({
    type: 'progress',
    step,
    what: descriptor.digest,
    current,
    total: descriptor.size,
    unit: 'bytes',
    ...(state === 'copying' ? {} : { done: true }),
  })
}
