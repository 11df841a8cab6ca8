// Durations as Go writes them (`time.ParseDuration`): `300ms`, `1.5h`, `2h45m`.

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** The duration in nanoseconds (whole, exact up to 2^53), or what is wrong with it in Go's words. */
export function parseDuration(text: string): number | string {
  const quoted = JSON.stringify(text)
  const unsigned = text.replace(/^[+-]/, '')
  if (unsigned === '0') return 0
  if (unsigned === '') return `time: invalid duration ${quoted}`
  const part = /(\d*)(\.\d*)?([^\d.]*)/y
  let total = 0
  while (part.lastIndex < unsigned.length) {
    const [, whole = '', fraction = '', unit = ''] = part.exec(unsigned) ?? []
    if (whole === '' && fraction.length < 2) return `time: invalid duration ${quoted}`
    if (unit === '') return `time: missing unit in duration ${quoted}`
    const scale = Object.hasOwn(nanoseconds, unit) ? nanoseconds[unit] : undefined
    if (scale === undefined) return `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`
    total += Number(whole || '0') * scale + Math.trunc(Number(`0${fraction}`) * scale)
  }
  if (total >= 2 ** 63) return `time: invalid duration ${quoted}`
  return text.startsWith('-') ? -total : total
}
