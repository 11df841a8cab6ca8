// The order in which ops can be done.
import { invariant } from '../core/error.ts'
import type { Op, OpRef } from './op.ts'

/** The ops `roots` need, each once and after its inputs; the order depends only on the graph. */
export function walk(opOf: (ref: OpRef) => Op | undefined, roots: readonly OpRef[]): OpRef[] {
  const order: OpRef[] = []
  const state = new Map<OpRef, 'open' | 'done'>()
  // Not recursive: a chain of thousands of RUN steps must not depend on the size of the stack.
  const stack: { readonly ref: OpRef; next: number }[] = []
  const enter = (ref: OpRef): void => {
    const seen = state.get(ref)
    invariant(seen !== 'open', `the graph has a cycle through ${ref}`)
    if (seen === 'done') return
    state.set(ref, 'open')
    stack.push({ ref, next: 0 })
  }
  for (const root of roots) {
    enter(root)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const op = opOf(top.ref)
      invariant(op !== undefined, `the graph has no op ${top.ref}`)
      const input = op.inputs[top.next]
      if (input !== undefined) {
        top.next++
        enter(input)
      } else {
        state.set(top.ref, 'done')
        order.push(top.ref)
        stack.pop()
      }
    }
  }
  return order
}
