// Times of events as times of files.
import { invariant } from '../core/error.ts'

/** An RFC 3339 time in nanoseconds since 1970. */
export function nanoseconds(time: string): bigint {
  const match = /^(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time)
  invariant(match, `a time is not RFC 3339: ${time}`)
  const milliseconds = Date.parse(`${match[1]}${match[3]}`)
  return BigInt(milliseconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}
