// One text per JSON value, whatever the order its keys were written in: what identities are hashed from.
import { type Digest, digestOf } from './digest.ts'

/** The canonical text of a JSON value: keys sorted by code unit, no blanks, `undefined` members left out. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  const record = value as Readonly<Record<string, unknown>>
  const members: string[] = []
  for (const key of Object.keys(record).sort()) {
    const member = record[key]
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(member)}`)
  }
  return `{${members.join()}}`
}

/** The identity of a JSON value. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value))
}
