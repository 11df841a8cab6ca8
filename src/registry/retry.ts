// When a failed request is tried again, and how long to wait first.
import { randomInt } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { RetryPolicy } from './types.ts'

const capMs = 20_000
/** Longer waits are not served: the failure says how long the registry asks for. */
export const maxRetryAfterMs = 60_000

/** Milliseconds to wait before try number `attempt + 1`: exponential with ±50 % jitter. */
export function backoffMs(policy: RetryPolicy, attempt: number): number {
  const middle = Math.min(capMs, policy.baseMs * 2 ** (attempt - 1))
  return middle < 2 ? middle : randomInt(Math.floor(middle / 2), Math.ceil(middle * 1.5))
}

/** Waits; rejects when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal })
}

/** What `shared` gives, or the signal's reason as soon as it is aborted; the shared work goes on for others. */
export async function orAbort<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await shared
  // Whoever gives up at once will not hear how it ends.
  shared.catch(() => undefined)
  signal.throwIfAborted()
  let stop = (): void => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([shared, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Milliseconds of a Retry-After header (seconds or a date, RFC 9110 §10.2.3); dates count from the answer's own Date. */
export function retryAfterMs(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value.trim())) return Number(value.trim()) * 1000
  const until = epochSeconds(value)
  const now = epochSeconds(date ?? '')
  return until === undefined || now === undefined ? undefined : Math.max(0, until - now) * 1000
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** Seconds since 1970 of an IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`). */
function epochSeconds(text: string): number | undefined {
  const parts = /^\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/.exec(text.trim())
  if (parts === null) return undefined
  const [, day = '', monthName = '', year = '', hour = '', minute = '', second = ''] = parts
  const month = months.indexOf(monthName.toLowerCase())
  if (month === -1) return undefined
  // Days since 1970 of the proleptic Gregorian calendar, counting years from March.
  const y = Number(year) - (month < 2 ? 1 : 0)
  const m = (month + 10) % 12
  const days =
    365 * y +
    Math.floor(y / 4) -
    Math.floor(y / 100) +
    Math.floor(y / 400) +
    Math.floor((m * 306 + 5) / 10) +
    Number(day) -
    1 -
    719_468
  return days * 86_400 + Number(hour) * 3600 + Number(minute) * 60 + Number(second)
}
