import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { backoffMs, orAbort, retryAfterMs } from '../../src/registry/retry.ts'

describe('retries', () => {
  it('wait longer each time, with jitter and a cap', () => {
    const policy = { tries: 9, baseMs: 500 }
    for (const [attempt, middle] of [
      [1, 500],
      [2, 1000],
      [4, 4000],
      [8, 20_000],
      [30, 20_000],
    ] as const) {
      for (let i = 0; i < 20; i++) {
        expect(backoffMs(policy, attempt)).toBeGreaterThanOrEqual(middle / 2)
        expect(backoffMs(policy, attempt)).toBeLessThanOrEqual(middle * 1.5)
      }
    }
    expect(backoffMs({ tries: 1, baseMs: 0 }, 1)).toBe(0)
  })

  it('read Retry-After as seconds or as a date', () => {
    expect(retryAfterMs('7', undefined)).toBe(7000)
    const date = 'Sat, 28 Feb 2026 23:59:50 GMT'
    expect(retryAfterMs('Sun, 01 Mar 2026 00:00:20 GMT', date)).toBe(30_000)
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:10 GMT', 'Thu, 01 Jan 1970 00:00:00 GMT')).toBe(10_000)
    expect(retryAfterMs('Thu, 29 Feb 2024 00:00:00 GMT', 'Fri, 01 Mar 2024 00:00:00 GMT')).toBe(0)
    for (const bad of [undefined, '', 'soon', '-1', '1e9', 'Sun, 01 Foo 2026 00:00:20 GMT']) {
      expect(retryAfterMs(bad, date)).toBeUndefined()
    }
    expect(retryAfterMs('Sun, 01 Mar 2026 00:00:20 GMT', undefined)).toBeUndefined()
  })

  it('agree with Date on every day of some years', () => {
    const start = Date.UTC(1999, 0, 1, 12)
    for (let day = 0; day < 366 * 6; day++) {
      const at = new Date(start + day * 86_400_000)
      const distance = retryAfterMs(at.toUTCString(), 'Thu, 01 Jan 1970 00:00:00 GMT')
      expect(distance).toBe(at.getTime())
    }
  })

  it('give up waiting for shared work when aborted', async () => {
    const stop = new AbortController()
    const waiting = expect(orAbort(new Promise(() => undefined), stop.signal)).rejects.toThrow('enough')
    stop.abort(new Error('enough'))
    await waiting
    await expect(orAbort(Promise.resolve(1), stop.signal)).rejects.toThrow('enough')
    expect(await orAbort(Promise.resolve(1), new AbortController().signal)).toBe(1)
  })

  // Vitest fails a run in which a rejection found nobody.
  it('leave no failure of shared work behind that nobody waited for', async () => {
    const failing = Promise.reject(new Error('the token server is down'))
    await expect(orAbort(failing, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    await setImmediate()
  })
})
