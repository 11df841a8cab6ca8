// The op of a build context: the one place that decides what COPY reads of a directory, a repository or a URL.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { GraphBuilder } from '../graph/builder.ts'
import type { OpNote, OpRef } from '../graph/op.ts'
import { addGit } from './git.ts'
import { addHttp } from './http.ts'
import type { RemotePins } from './remote-pins.ts'
import type { ContextSource } from './types.ts'

/** What the one file of a context that is no archive is called (BuildKit's word). */
export const contextFile = 'context'

export interface ContextUse {
  readonly graph: GraphBuilder
  readonly pins: RemotePins
  report(diagnostic: Diagnostic): void
}

/** The op of the context `name` (`context` is the main one) in `graph`; asked for twice it is the same op. Undefined when it is not what its checksum says, which is reported. */
export function addContext(
  name: string,
  source: ContextSource,
  slot: string,
  use: ContextUse,
): OpRef | undefined {
  switch (source.kind) {
    case 'local': {
      const title = name === contextFile ? 'load build context' : 'load from client'
      const op = { kind: 'local', inputs: [], name, ignore: source.ignore } as const
      return use.graph.add(op, noteOf(name, slot, title))
    }
    case 'git':
      return addGit({ reference: source.reference }, use)
    case 'archive': {
      const checksum = source.digest
      const op = { kind: 'http', inputs: [], checksum, filename: contextFile, unpack: true } as const
      return use.graph.add(op, noteOf(name, slot, 'load build context'))
    }
    case 'http':
      return addHttp({ url: source.url, filename: contextFile, unpack: source.isArchive }, use).op
  }
}

function noteOf(name: string, slot: string, title: string): OpNote {
  return {
    slot: { stage: slot, ordinal: -1 },
    label: name === 'context' ? '[internal]' : `[context ${name}]`,
    title,
  }
}
