// A graph fit to be shown to anybody: without credentials in URLs and without values of variables that tell of a secret.
import { redact } from '../core/error.ts'
import { isSecretName } from '../core/secret-name.ts'
import type { Graph, Op, OpNote, OpRef } from './op.ts'

/** The same graph to look at; its ops need not have the digests they are called by any more. */
export function shownGraph(graph: Graph): Graph {
  const ops: Record<OpRef, Op> = {}
  const notes: Record<OpRef, OpNote> = {}
  for (const [ref, op] of Object.entries(graph.ops) as [OpRef, Op][]) {
    const bare = redacted(op)
    ops[ref] = bare.kind === 'exec' ? { ...bare, env: bare.env.map(masked) } : bare
  }
  for (const [ref, note] of Object.entries(graph.notes) as [OpRef, OpNote][]) {
    const bare = redacted(note)
    const env = bare.unkeyed?.env
    notes[ref] = {
      ...bare,
      ...(bare.args === undefined ? {} : { args: bare.args.map(masked) }),
      ...(env === undefined ? {} : { unkeyed: { ...bare.unkeyed, env: env.map(masked) } }),
    }
  }
  return { ...graph, ops, notes }
}

function masked(entry: string): string {
  const name = entry.slice(0, Math.max(0, entry.indexOf('=')))
  return isSecretName(name) ? `${name}=xxxxx` : entry
}

function redacted<T>(value: T): T {
  return bare(value) as T
}

function bare(value: unknown): unknown {
  if (typeof value === 'string') return redact(value)
  if (Array.isArray(value)) return value.map(bare)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, bare(member)]))
}
