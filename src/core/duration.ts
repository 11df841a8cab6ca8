// Durations as Go writes them (`time.ParseDuration`): `300ms`, `1.5h`, `2h45m`.

const nanoseconds: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}
const limit = 1n << 63n
/** The last number below the limit. */
const largest = 2 ** 63 - 1024

/** The duration in nanoseconds (whole, exact up to 2^53), or what is wrong with it in Go's words. */
export function parseDuration(text: string): number | string {
  const quoted = JSON.stringify(text)
  const unsigned = text.replace(/^[+-]/, '')
  if (unsigned === '0') return 0
  const invalid = `time: invalid duration ${quoted}`
  if (unsigned === '') return invalid
  const part = /(\d*)(?:\.(\d*))?([^\d.]*)/y
  let total = 0n
  while (part.lastIndex < unsigned.length) {
    const [, whole = '', fraction = '', unit = ''] = part.exec(unsigned) ?? []
    const count = BigInt(whole)
    if ((whole === '' && fraction === '') || count > limit) return invalid
    if (unit === '') return `time: missing unit in duration ${quoted}`
    const scale = Object.hasOwn(nanoseconds, unit) ? nanoseconds[unit] : undefined
    if (scale === undefined) return `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`
    total += count * scale + partOf(fraction, scale)
    if (total > limit) return invalid
  }
  if (text.startsWith('-')) return Number(-total)
  // Rounding up would leave what Go can hold.
  return total < limit ? Math.min(Number(total), largest) : invalid
}

/** The decimals of a unit, in the floating-point steps that Go takes. */
function partOf(decimals: string, unit: bigint): bigint {
  let value = 0n
  let scale = 1
  for (const digit of decimals) {
    const next = value * 10n + BigInt(digit)
    // Digits beyond what 63 bits hold do not count.
    if (value > (limit - 1n) / 10n || next > limit) break
    value = next
    scale *= 10
  }
  return BigInt(Math.trunc(Number(value) * (Number(unit) / scale)))
}

/** `1h30m`, `90s`, `250ms`: a duration in whole milliseconds, as it would be typed. */
export function formatDuration(ms: number): string {
  if (ms < 1000 || ms % 1000 !== 0) return `${ms}ms`
  const seconds = ms / 1000
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ] as const
  return parts.map(([count, unit]) => (count === 0 ? '' : `${count}${unit}`)).join('')
}
