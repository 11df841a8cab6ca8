// What is known of an op before anything runs: its driver, its definition key, the content of what it reads.
import type { Digest } from '../core/digest.ts'
import { invariant } from '../core/error.ts'
import type { Graph, Op, OpNote, OpRef } from '../graph/op.ts'
import { definitionId } from './cache-key.ts'
import type { Steps } from './steps.ts'
import type { Definition, Drivers, OpDriver, Result } from './types.ts'

export interface OpEntry {
  readonly op: Op
  readonly note: OpNote
  readonly driver: OpDriver
}

/** An op of the graph with what belongs to it. */
export function lookUpOp(graph: Graph, drivers: Drivers, ref: OpRef): OpEntry {
  const op = graph.ops[ref]
  const note = graph.notes[ref]
  invariant(op !== undefined && note !== undefined, `op ${ref} is not in the graph`)
  return { op, note, driver: drivers[op.kind] }
}

/** Definitions and contents, each computed once. Only local directories are pulled for a definition. */
export function definitions(
  opOf: (ref: OpRef) => OpEntry,
  result: (ref: OpRef) => Promise<Result>,
  steps: Steps,
) {
  const contents = new Map<string, Promise<Digest | undefined>>()

  /** The digest of what the op reads of an input; undefined when the input counts by its id. */
  const contentOf = (ref: OpRef, index: number, input: Result): Promise<Digest | undefined> => {
    const at = `${ref}/${index}`
    const { op, driver } = opOf(ref)
    const content =
      contents.get(at) ?? steps.of(ref, async () => driver.contentOf?.(op, index, input, steps.cx))
    contents.set(at, content)
    return content
  }

  /** Undefined for an op that can only be judged by what its inputs turn out to be. */
  const definitionOf = steps.once(async (ref: OpRef): Promise<Definition | undefined> => {
    const { op, note } = opOf(ref)
    if (op.kind === 'local') return undefined
    const inputs = await Promise.all(
      op.inputs.map(async (input, i): Promise<Definition | undefined> => {
        if (opOf(input).op.kind !== 'local') return definitionOf(input)
        const id = await contentOf(ref, i, await result(input))
        return id && { id, forced: false }
      }),
    )
    const known = inputs.filter((input) => input !== undefined)
    if (known.length < inputs.length) return undefined
    const ids = known.map((input) => input.id)
    return { id: definitionId(op, ids), forced: note.force === true || known.some((input) => input.forced) }
  })

  /** The content that was asked for while the inputs were at hand. */
  const knownContent = async (ref: OpRef, index: number): Promise<Digest | undefined> => {
    const input = opOf(ref).op.inputs[index]
    return input !== undefined && opOf(input).op.kind === 'local'
      ? contents.get(`${ref}/${index}`)
      : undefined
  }

  return { definitionOf, contentOf, knownContent }
}
