// One text per JSON value, whatever the order its keys were written in: what identities are hashed from.
import { type Digest, digestOf } from './digest.ts'

/** The canonical text of a JSON value: keys sorted by code unit, no blanks, `undefined` members left out. */
export function canonicalJson(value: unknown): string {
  // What is in order already, as most ops are written, is not copied.
  return JSON.stringify(isOrdered(value) ? value : sorted(value))
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(sorted)
  const record = value as Readonly<Record<string, unknown>>
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(record).sort()) {
    const own = sorted(record[key])
    // Objects without a prototype could hold this name like any other, but are several times slower to write out.
    if (key === '__proto__') Object.defineProperty(copy, key, { value: own, enumerable: true })
    else copy[key] = own
  }
  return copy
}

/** Whether the keys of the value and of all within it are in order. */
function isOrdered(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && !isOrdered(item)) return false
    return true
  }
  const record = value as Readonly<Record<string, unknown>>
  const keys = Object.keys(record)
  if (!isSorted(keys)) return false
  for (const key of keys) {
    const member = record[key]
    if (typeof member === 'object' && !isOrdered(member)) return false
  }
  return true
}

function isSorted(keys: readonly string[]): boolean {
  for (let at = 1; at < keys.length; at++) if ((keys[at - 1] ?? '') > (keys[at] ?? '')) return false
  return true
}

/** The identity of a JSON value. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value))
}
