// One text per JSON value, whatever the order its keys were written in: what identities are hashed from.
import { type Digest, digestOf } from './digest.ts'

/** The canonical text of a JSON value: keys sorted by code unit, no blanks, `undefined` members left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (member === null || typeof member !== 'object' || Array.isArray(member)) return member
    const record = member as Record<string, unknown>
    const sorted: Record<string, unknown> = Object.create(null)
    for (const key of Object.keys(record).sort()) sorted[key] = record[key]
    return sorted
  })
}

/** The identity of a JSON value. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value))
}
