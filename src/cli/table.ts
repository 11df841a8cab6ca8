// Tables and times as docker prints them.
import { printable } from '../progress/model.ts'

/** Rows under their headings, columns three blanks apart, no trailing blanks. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  // Images say what stands in some cells, and a terminal must not act on it.
  const all = [headings, ...rows.map((row) => row.map(printable))]
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

/** `170MB`, `2.13MB`: a size in bytes in three figures, decimal units. */
export function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${Number(value.toPrecision(3))}${units[unit]}`
}

/** `3 hours ago`, from an RFC 3339 time, rounded as docker does; `N/A` when the image does not say. */
export function formatAge(created: string | undefined, nowMs: number): string {
  const ms = created === undefined ? Number.NaN : Date.parse(created)
  if (Number.isNaN(ms)) return 'N/A'
  const seconds = Math.max(0, Math.floor((nowMs - ms) / 1000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(seconds / 3600 + 0.5)
  const days = Math.floor(hours / 24)
  const ago = (count: number, unit: string): string => `${count} ${unit}${count === 1 ? '' : 's'} ago`
  if (seconds < 1) return 'Less than a second ago'
  if (seconds < 60) return ago(seconds, 'second')
  if (minutes === 1) return 'About a minute ago'
  if (minutes < 60) return ago(minutes, 'minute')
  if (hours === 1) return 'About an hour ago'
  if (hours < 48) return ago(hours, 'hour')
  if (days < 14) return ago(days, 'day')
  if (days < 60) return ago(Math.floor(days / 7), 'week')
  if (days < 730) return ago(Math.floor(days / 30), 'month')
  return ago(Math.floor(days / 365), 'year')
}
