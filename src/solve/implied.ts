// Who uses what: which ops nobody reads, and which need not even be looked up, because everything that would have
// used them was a hit.
import { invariant } from '../core/error.ts'
import type { Graph, OpRef } from '../graph/op.ts'

/** Every op reachable from `root` with its distinct inputs and how many reachable ops use it. */
export type Consumers = ReadonlyMap<OpRef, { readonly inputs: readonly OpRef[]; readonly count: number }>

/** The consumer counts of the part of the graph that `root` needs. */
export function consumersOf(graph: Graph, root: OpRef): Consumers {
  const found = new Map<OpRef, { inputs: readonly OpRef[]; count: number }>()
  const waiting = [root]
  for (let ref = waiting.pop(); ref !== undefined; ref = waiting.pop()) {
    if (found.has(ref)) continue
    const op = graph.ops[ref]
    invariant(op !== undefined, `op ${ref} is not in the graph`)
    const inputs = [...new Set(op.inputs)]
    found.set(ref, { inputs, count: 0 })
    waiting.push(...inputs)
  }
  for (const { inputs } of found.values()) {
    for (const input of inputs) {
      const entry = found.get(input)
      if (entry) entry.count++
    }
  }
  return found
}

/** The ops whose layers no other op reads: the root and, where that only stacks layers, what it stacks. */
export function lastOps(graph: Graph, root: OpRef, consumers: Consumers): ReadonlySet<OpRef> {
  const last = new Set<OpRef>([root])
  for (const ref of last) {
    const op = graph.ops[ref]
    if (op?.kind !== 'merge') continue
    for (const input of op.inputs) if (consumers.get(input)?.count === 1) last.add(input)
  }
  return last
}

/** Calls `onImplied` once for every op that no consumer will pull any more, inputs before their consumers. */
export function impliedHits(consumers: Consumers, onImplied: (ref: OpRef) => void) {
  const left = new Map([...consumers].map(([ref, { count }]) => [ref, count]))
  const touched = new Set<OpRef>()
  const hit = (ref: OpRef): void => {
    // An own stack instead of recursion: graphs may be thousands of ops deep.
    const stack: { readonly ref: OpRef; readonly inputs: Iterator<OpRef> }[] = []
    const enter = (at: OpRef) => {
      stack.push({ ref: at, inputs: (consumers.get(at)?.inputs ?? []).values() })
    }
    enter(ref)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.inputs.next()
      if (next.done) {
        stack.pop()
        if (top.ref !== ref) onImplied(top.ref)
        continue
      }
      const count = (left.get(next.value) ?? 0) - 1
      left.set(next.value, count)
      if (count === 0 && !touched.has(next.value)) {
        touched.add(next.value)
        enter(next.value)
      }
    }
  }
  return {
    /** The op's result is being pulled: it will speak for itself. */
    touch: (ref: OpRef): void => {
      touched.add(ref)
    },
    /** The op was found without its inputs. */
    hit,
  }
}
