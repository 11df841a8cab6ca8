// One text per JSON value, whatever the order its keys were written in: what identities are hashed from.
import { type Digest, digestOf } from './digest.ts'

/** The canonical text of a JSON value: keys sorted by code unit, no blanks, `undefined` members left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value))
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.some((item) => typeof item === 'object') ? value.map(sorted) : value
  const record = value as Readonly<Record<string, unknown>>
  const copy: Record<string, unknown> = {}
  const keys = Object.keys(record)
  for (const key of isSorted(keys) ? keys : keys.sort()) {
    const member = record[key]
    const own = typeof member === 'object' ? sorted(member) : member
    // Objects without a prototype could hold this name like any other, but are several times slower to write out.
    if (key === '__proto__') Object.defineProperty(copy, key, { value: own, enumerable: true })
    else copy[key] = own
  }
  return copy
}

function isSorted(keys: readonly string[]): boolean {
  for (let at = 1; at < keys.length; at++) if ((keys[at - 1] ?? '') > (keys[at] ?? '')) return false
  return true
}

/** The identity of a JSON value. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value))
}
