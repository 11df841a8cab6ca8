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
  const copy: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(record).sort()) {
    const member = record[key]
    copy[key] = typeof member === 'object' ? sorted(member) : member
  }
  return copy
}

/** The identity of a JSON value. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value))
}
