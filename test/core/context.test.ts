import { describe, expect, it } from 'vitest'
import { type Context, task } from '../../src/core/context.ts'
import { SlipwayError } from '../../src/core/error.ts'
import type { BuildEvent } from '../../src/core/event.ts'

describe('task', () => {
  const failureOf = async (signal: AbortSignal, thrown: unknown): Promise<unknown> => {
    const events: BuildEvent[] = []
    const cx: Context = {
      signal,
      emit: (event) => events.push(event),
      now: () => '',
      debug: () => undefined,
    }
    await expect(task(cx, 'a', 'a', () => Promise.reject(thrown))).rejects.toBe(thrown)
    const [, failed] = events
    return failed?.type === 'task-failed' ? failed.error : undefined
  }
  const reason = new SlipwayError({ code: 'ERR_INTERRUPTED', message: 'interrupted by SIGINT' })
  const aborted = new DOMException('The operation was aborted', 'AbortError')
  const own = new SlipwayError({ code: 'ERR_OWN', message: 'its own' })

  it('tells why it was stopped, not only that it was', async () => {
    expect(await failureOf(AbortSignal.abort(reason), aborted)).toEqual(reason.toJSON())
  })

  it('tells its own failure', async () => {
    expect(await failureOf(AbortSignal.abort(reason), own)).toEqual(own.toJSON())
    expect(await failureOf(new AbortController().signal, own)).toEqual(own.toJSON())
    const bug = { code: 'ERR_INTERNAL', message: 'The operation was aborted' }
    expect(await failureOf(new AbortController().signal, aborted)).toEqual(bug)
  })
})
