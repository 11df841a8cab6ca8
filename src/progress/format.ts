// Figures as people read them.

/** `3.2s`, `1m04s`: a duration in milliseconds. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 100) return `${seconds.toFixed(1)}s`
  return `${Math.floor(seconds / 60)}m${String(Math.floor(seconds % 60)).padStart(2, '0')}s`
}

/** `12.35MB`: a size in bytes, decimal units as docker prints them. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(2)}${units[unit]}`
}

/** `3.40MB / 10.00MB`, `120 files`. */
export function formatGauge(gauge: {
  readonly current: number
  readonly total?: number
  readonly unit: 'bytes' | 'files' | 'none'
}): string {
  if (gauge.unit === 'none') return ''
  const one = (n: number): string => (gauge.unit === 'bytes' ? formatBytes(n) : String(n))
  const figure =
    gauge.total === undefined ? one(gauge.current) : `${one(gauge.current)} / ${one(gauge.total)}`
  return gauge.unit === 'files' ? `${figure} files` : figure
}
