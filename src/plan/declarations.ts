// Where variables are set: tells the user of one that is not set here that it is set somewhere else.
import type { Note } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Stages } from '../dockerfile/ast.ts'
import { isPredefined } from './predefined.ts'
import { isProxyName } from './proxies.ts'

/** A name that ARG or ENV sets; `stage` is absent before the first FROM. */
interface Declaration {
  readonly kind: 'ARG' | 'ENV'
  readonly stage?: number
  readonly span: Span
}

/** What helps with a variable that is not set where it is used. */
export interface Elsewhere {
  readonly hint?: string
  readonly notes?: readonly Note[]
}

/** Tells of the use of `name` at `span` (`stage` absent: in a FROM) where else it is set, or where `close` is, which was perhaps meant. */
export type FindElsewhere = (
  use: { readonly name: string; readonly span: Span },
  stage: number | undefined,
  close: string | undefined,
) => Elsewhere

/** The declarations of a file; it is gone through when the first one is asked for. */
export function declarationsOf(stages: Stages): FindElsewhere {
  let known: ReadonlyMap<string, readonly Declaration[]> | undefined
  return ({ name, span }, stage, close) => {
    known ??= collect(stages)
    const named = known.get(name) ?? []
    const before = named.find((one) => one.stage === undefined)
    const later = named.find((one) => one.stage === stage && one.span.start > span.start)
    const same = named.find((one) => one.stage === stage && one.kind === 'ENV' && one.span.start < span.start)
    if (stage === undefined) return inFrom(named, close === undefined ? [] : (known.get(close) ?? []))
    if (before !== undefined) {
      const hint = `an ARG before the first FROM is not seen in stages: add ARG ${name} to this one`
      return { hint, notes: [{ span: before.span, text: 'declared here' }] }
    }
    if (same !== undefined) {
      const hint = 'the values of one ENV do not see each other: use a second ENV'
      return { hint, notes: [{ span: same.span, text: 'set here' }] }
    }
    if (later !== undefined) {
      return { hint: 'set it before it is used', notes: [{ span: later.span, text: 'set only here' }] }
    }
    if (isPredefined(name))
      return { hint: `it is predefined, but has to be asked for: add ARG ${name} to this stage` }
    if (isProxyName(name)) return { hint: `it reaches only RUN unasked: add ARG ${name} to this stage` }
    const meant =
      close === undefined ? undefined : known.get(close)?.findLast((one) => one.span.start < span.start)
    if (meant !== undefined) return { notes: [{ span: meant.span, text: 'set here' }] }
    const other = named.find((one) => one.stage !== stage)
    if (other === undefined) return {}
    const hint = `what another stage sets is not seen here: repeat the ${other.kind} in this stage`
    return { hint, notes: [{ span: other.span, text: 'set here' }] }
  }
}

function inFrom(named: readonly Declaration[], meant: readonly Declaration[]): Elsewhere {
  const [near] = meant.filter((one) => one.stage === undefined)
  if (near !== undefined) return { notes: [{ span: near.span, text: 'declared here' }] }
  const [inStage] = named
  if (inStage === undefined) return {}
  const hint = 'FROM sees only what is declared before the first FROM: move the ARG there'
  return { hint, notes: [{ span: inStage.span, text: 'set here, in a stage' }] }
}

function collect({ global, stages }: Stages): ReadonlyMap<string, readonly Declaration[]> {
  const known = new Map<string, Declaration[]>()
  const add = (name: string, declaration: Declaration): void => {
    const list = known.get(name)
    if (list === undefined) known.set(name, [declaration])
    else list.push(declaration)
  }
  for (const { pairs } of global) for (const { key } of pairs) add(key.text, { kind: 'ARG', span: key.span })
  for (const { index, instructions } of stages) {
    for (const instruction of instructions) {
      if (instruction.kind !== 'ARG' && instruction.kind !== 'ENV') continue
      const { kind, pairs } = instruction
      for (const { key } of pairs) add(key.text, { kind, stage: index, span: key.span })
    }
  }
  return known
}
