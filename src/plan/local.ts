// The op of a directory of the caller.
import type { GraphBuilder } from '../graph/builder.ts'
import type { OpRef } from '../graph/op.ts'

/** The local op `name` (`context` is the main one) in `graph`; asked for twice it is the same op. */
export function addLocal(name: string, ignore: readonly string[], graph: GraphBuilder, slot: string): OpRef {
  return graph.add(
    { kind: 'local', inputs: [], name, ignore },
    {
      slot: { stage: slot, ordinal: -1 },
      label: name === 'context' ? '[internal]' : `[context ${name}]`,
      title: name === 'context' ? 'load build context' : 'load from client',
    },
  )
}
