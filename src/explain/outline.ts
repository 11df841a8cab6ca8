// What is kept of an op to compare the next build's with: small, readable, without secrets. Two outlines are equal
// only if the ops are.
import { digestOf } from '../core/digest.ts'
import { redact } from '../core/error.ts'
import { isSecretName } from '../core/secret-name.ts'
import { keyed } from '../graph/keyed.ts'
import type { Op } from '../graph/op.ts'

/** The op without its inputs; variables by name, what is long as its digest. */
export type Outline = Readonly<Record<string, unknown>>

/** Longer texts (here-documents) are kept as digests. */
const longestText = 1024

/** The outline of an op. */
export function outlineOf(op: Op): Outline {
  const { inputs: _inputs, ...body } = keyed(op)
  const { env, ...rest } = body as Readonly<Record<string, unknown>>
  const kept = abridged(rest) as Outline
  return Array.isArray(env)
    ? { ...kept, env: variables(env.filter((entry) => typeof entry === 'string')) }
    : kept
}

/** `NAME=value` texts by name. Of names that tell of a secret the value is only kept as a digest. */
export function variables(entries: readonly string[]): Readonly<Record<string, string>> {
  const found: [string, string][] = entries.map((entry) => {
    const at = entry.indexOf('=')
    const name = at === -1 ? entry : entry.slice(0, at)
    const value = at === -1 ? '' : entry.slice(at + 1)
    return [name, isSecretName(name) ? digestOf(`${name} ${value}`) : textOf(value)]
  })
  return Object.fromEntries(found)
}

function abridged(value: unknown): unknown {
  if (typeof value === 'string') return textOf(value)
  if (Array.isArray(value)) return value.map(abridged)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, abridged(member)]))
}

function textOf(text: string): string {
  const bare = redact(text)
  if (bare !== text) return `${textOf(bare)} ${digestOf(text)}`
  return text.length <= longestText ? text : `${digestOf(text)} (${text.length} characters)`
}
