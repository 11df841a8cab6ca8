// Tables and times as docker prints them.

/** Rows under their headings, columns three blanks apart, no trailing blanks. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** `3 hours ago`, from an RFC 3339 time; `N/A` when the image does not say. */
export function formatAge(created: string | undefined, nowMs: number): string {
  const ms = created === undefined ? Number.NaN : Date.parse(created)
  if (Number.isNaN(ms)) return 'N/A'
  const seconds = Math.max(0, Math.floor((nowMs - ms) / 1000))
  const steps: readonly [number, string][] = [
    [60, 'second'],
    [3600, 'minute'],
    [86_400, 'hour'],
    [7 * 86_400, 'day'],
    [30 * 86_400, 'week'],
    [365 * 86_400, 'month'],
  ]
  let unit = 1
  for (const [limit, name] of steps) {
    if (seconds < limit) return ago(Math.floor(seconds / unit), name)
    unit = limit
  }
  return ago(Math.floor(seconds / unit), 'year')
}

function ago(count: number, unit: string): string {
  if (unit === 'second' && count < 1) return 'Less than a second ago'
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`
}
