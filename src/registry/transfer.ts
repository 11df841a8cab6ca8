// What pull and push have in common: what is reported, what is tried again.
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import type { StepId } from '../core/event.ts'
import type { CopyOptions, CopyProgress } from '../store/copy.ts'
import { isTransient } from './failure.ts'
import { backoffMs, pause } from './retry.ts'
import type { Registry } from './types.ts'

/** Copy options for transfers with `registry`, whose progress is reported under `step`. */
export function transferOptions(
  registry: Pick<Registry, 'slots' | 'retry'>,
  step: StepId,
  cx: Context,
): CopyOptions {
  const { retry, slots } = registry
  return {
    limit: slots,
    signal: cx.signal,
    onProgress: (progress) => report(cx, step, progress),
    async retry(thrown, attempt, descriptor) {
      const isBadJoin = thrown instanceof SlipwayError && thrown.data?.wasResumed === true && attempt === 1
      if (!isBadJoin && (attempt >= retry.tries || !isTransient(thrown))) return false
      cx.debug('transfer again', { digest: descriptor.digest, attempt, failure: String(thrown) })
      await pause(isBadJoin ? 0 : backoffMs(retry, attempt), cx.signal)
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
