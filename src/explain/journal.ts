// Says why ops of a solve missed, by comparing the build with the last one of its name, and leaves behind what the next
// one will be compared with. Reasons are told where the solver decides; what is kept and how is past.ts's.
import { digestOfJson } from '../core/canonical-json.ts'
import { type Digest, digestOf } from '../core/digest.ts'
import { invariant, SlipwayError } from '../core/error.ts'
import type { BuildEvent, MissReason } from '../core/event.ts'
import type { Graph, Op, OpRef } from '../graph/op.ts'
import { walk } from '../graph/walk.ts'
import type { CacheKey, CacheRecord, Explainer, ExplainView } from '../solve/types.ts'
import { align } from './align.ts'
import { broughtBy, differences, environment } from './differences.ts'
import { fileReason } from './file-list.ts'
import type { PastBuild, PastStep, PastStore } from './past.ts'
import { type Described, describeStep } from './step.ts'

export interface Journal extends Explainer {
  /** To be told of every event of the solve. */
  observe(event: BuildEvent): void
  /** Leaves the build behind for the next one. */
  finish(end: { readonly failed: boolean }): Promise<void>
}

/** A step of stages that are not built any more is remembered as long as there is room. */
const mostSteps = 2000

/** A step that gives something else than was given `before`. */
interface Cause {
  readonly step: OpRef
  readonly before: PastStep | undefined
}

/** The journal of one solve of the build called `build`. */
export function openJournal(build: string, store: PastStore, view: ExplainView): Journal {
  const { graph, root, cx } = view
  const order = walk((ref) => graph.ops[ref], [root])
  const outcomes = outcomesOf(order, graph)
  const records = new Map<OpRef, CacheRecord>()
  const keys = new Map<OpRef, readonly Digest[]>()
  const told = new Map<OpRef, readonly MissReason[]>()
  const changes = new Map<OpRef, Promise<void>>()
  const past = once(() => store.read(build))
  const now = once(() => order.map((ref) => describeStep(graph, ref)))
  const places = new Map(order.map((ref, index) => [ref, index]))
  const matches = once(() => align(past()?.steps ?? [], now()))

  const stepOf = (ref: OpRef): Described => {
    const step = now()[places.get(ref) ?? -1]
    invariant(step !== undefined, `op ${ref} is not in the journal's graph`)
    return step
  }
  const pastOf = (ref: OpRef): PastStep | undefined => past()?.steps[matches()[places.get(ref) ?? -1] ?? -1]
  const opOf = (ref: OpRef): Op => {
    const op = graph.ops[ref]
    invariant(op !== undefined, `op ${ref} is not in the graph`)
    return op
  }
  const idOf = async (ref: OpRef): Promise<Digest | null> => {
    // What could not be defined has failed its step.
    const definition = await view.definitionOf(ref).catch(() => undefined)
    return definition?.id ?? null
  }

  const reasonsOf = async (ref: OpRef, key: readonly Digest[] | undefined): Promise<MissReason[]> => {
    const was = pastOf(ref)
    if (was === undefined) return [{ kind: past() === undefined ? 'first' : 'new' }]
    const own = differences(was, stepOf(ref))
    const inputs = await inputReasons(ref, key, was)
    const reasons = [...(inputs.length === 0 ? own : own.filter(isOfStep(ref, was))), ...inputs]
    if (reasons.length > 0) return reasons
    return [{ kind: was.outcome === 'failed' || was.outcome === 'none' ? 'unfinished' : 'evicted' }]
  }

  /** Leaves out the variables that another base image has brought, also within what an ENV made of them. */
  const isOfStep = (ref: OpRef, was: PastStep): ((reason: MissReason) => boolean) => {
    const image = imageBelow(ref, opOf)
    const imageWas = image === undefined ? undefined : pastOf(image)
    if (image === undefined || imageWas === undefined) return () => true
    const isBrought = broughtBy(imageWas.args, stepOf(image).args)
    const [before, after] = [environment(was.outline), environment(stepOf(ref).outline)]
    return (reason) =>
      reason.kind !== 'variable' || !isBrought(reason.name, before[reason.name], after[reason.name])
  }

  const inputReasons = async (
    ref: OpRef,
    key: readonly Digest[] | undefined,
    was: PastStep,
  ): Promise<MissReason[]> => {
    const op = opOf(ref)
    const reasons: MissReason[] = []
    for (const [index, input] of op.inputs.entries()) {
      // With more or fewer mounts or sources only what the step stands on is sure to be the same input.
      if (was.inputs.length !== op.inputs.length && index !== baseOf(op)) continue
      const before = was.key[index] ?? null
      const after = key?.[index] ?? (await view.contentOf(ref, index))
      const isOther =
        before !== null && after !== undefined
          ? before !== after
          : await isOtherStep(input, pastInput(was, index))
      if (!isOther) continue
      if (opOf(input).kind === 'local') {
        reasons.push(
          fileReason(index, before === null ? undefined : store.files(before), await filesOf(ref, index)),
        )
        continue
      }
      for (const { step, before } of await causesOf(input, pastInput(was, index))) {
        await tellChange(step)
        const gone = isMoved(step, before) ? before.title : undefined
        reasons.push(
          gone === undefined
            ? { kind: 'input', input: index, step }
            : { kind: 'moved', input: index, step, was: gone },
        )
      }
    }
    return reasons
  }

  const pastInput = (was: PastStep, index: number): PastStep | undefined =>
    past()?.steps[was.inputs[index] ?? -1]
  const isOtherStep = async (ref: OpRef, was: PastStep | undefined): Promise<boolean> =>
    was === undefined || outcomes.hasMissed(ref) || (await idOf(ref)) !== was.definition

  /** Whether `ref` is a step that was there before, only that another one, `before`, was in its place. */
  const isMoved = (ref: OpRef, before: PastStep | undefined): before is PastStep => {
    const was = pastOf(ref)
    return before !== undefined && was !== undefined && was !== before && !outcomes.hasMissed(ref)
  }

  /** Nobody wrote a merge: what differs is what it stacks. */
  const causesOf = async (step: OpRef, was: PastStep | undefined): Promise<readonly Cause[]> => {
    const op = opOf(step)
    if (op.kind !== 'merge') return [{ step, before: was }]
    const isSame = was?.outline.kind === 'merge' && was.inputs.length === op.inputs.length
    const found = new Map<OpRef, Cause>()
    for (const [index, input] of op.inputs.entries()) {
      const before = isSame && was !== undefined ? pastInput(was, index) : pastOf(input)
      if (!(await isOtherStep(input, before))) continue
      for (const cause of await causesOf(input, before)) found.set(cause.step, cause)
    }
    return found.size === 0 ? [{ step, before: was }] : [...found.values()]
  }

  /** What did not miss itself, and made others miss, has something to tell, too. */
  const tellChange = (ref: OpRef): Promise<void> => {
    const known = changes.get(ref) ?? change(ref)
    changes.set(ref, known)
    return known
  }
  const change = async (ref: OpRef): Promise<void> => {
    if (outcomes.hasMissed(ref)) return
    const reasons = await reasonsOf(ref, keys.get(ref))
    if (reasons.some(({ kind }) => kind === 'evicted' || kind === 'unfinished')) return
    told.set(ref, reasons)
    cx.emit({ type: 'op-changed', step: ref, reasons })
  }

  const filesOf = async (ref: OpRef, index: number) => {
    const content = await view.contentOf(ref, index)
    const known = content === undefined ? undefined : store.files(content)
    if (known !== undefined) return known
    const files = await view.filesOf(ref, index).catch((thrown: unknown) => {
      // The step will fail for it, or never look at it.
      if (thrown instanceof SlipwayError) return undefined
      throw thrown
    })
    if (content !== undefined && files !== undefined) store.keepFiles(content, files)
    return files
  }

  const stepFor = async (ref: OpRef): Promise<PastStep> => {
    const { inputs, ...step } = stepOf(ref)
    const was = pastOf(ref)
    const definition = await idOf(ref)
    const isSame = was !== undefined && definition !== null && was.definition === definition
    const key: (Digest | null)[] = [...(keys.get(ref) ?? (isSame ? was.key : []))]
    for (const [index, input] of opOf(ref).inputs.entries()) {
      const content = await view.contentOf(ref, index).catch(() => undefined)
      key[index] ??= content ?? (opOf(input).kind === 'image' ? input : null)
    }
    const tookMs = records.get(ref)?.tookMs ?? (isSame ? was.tookMs : undefined)
    const reasons = told.get(ref)
    return {
      ref,
      ...step,
      inputs: inputs.map((input) => places.get(input) ?? -1),
      definition,
      key,
      ...outcomes.of(ref),
      ...(tookMs === undefined ? {} : { tookMs }),
      ...(reasons === undefined ? {} : { reasons }),
    }
  }

  return {
    why: async (ref, key: CacheKey) => {
      const reasons = graph.notes[ref]?.force
        ? [{ kind: 'forced' } as const]
        : await reasonsOf(ref, key.inputs)
      told.set(ref, reasons)
      for (const [index, input] of opOf(ref).inputs.entries()) {
        if (opOf(input).kind === 'local') await filesOf(ref, index)
      }
      return reasons
    },
    used: (ref, record) => {
      records.set(ref, record)
      // Of what a remote cache knew by its definition nobody looked at the inputs.
      if (record.imported !== true) keys.set(ref, record.key.inputs)
    },
    observe: outcomes.observe,
    finish: async ({ failed }) => {
      const id = failed || outcomes.haveAnyMissed() ? null : await idOf(root)
      const mark = id === null ? undefined : digestOfJson([id, textsOf(graph), outcomes.summary()])
      // A warm build writes nothing.
      if (mark !== undefined && store.confirm(build, mark)) return
      const steps: PastStep[] = []
      for (const ref of order) steps.push(await stepFor(ref))
      const all = [...steps, ...olderSteps(past(), steps)].slice(0, mostSteps)
      store.write({ build, failed, steps: all }, mark)
    },
  }
}

/** The steps of stages that this build has none of. */
function olderSteps(past: PastBuild | undefined, steps: readonly PastStep[]): PastStep[] {
  if (past === undefined) return []
  const stages = new Set(steps.map(({ stage }) => stage))
  const kept = past.steps.flatMap((step, index) => (stages.has(step.stage) ? [] : [{ step, index }]))
  const moved = new Map(kept.map(({ index }, at) => [index, steps.length + at]))
  return kept.map(({ step }) => ({
    ...step,
    inputs: step.inputs.map((input) => moved.get(input) ?? -1),
    isOlder: true,
  }))
}

function textsOf({ files }: Graph): readonly Digest[] {
  return files.map(({ text }) => digestOf(text))
}

/** The image that a step stands on; undefined where it stands on none. */
function imageBelow(ref: OpRef, opOf: (ref: OpRef) => Op): OpRef | undefined {
  for (let at: OpRef | undefined = ref; at !== undefined; ) {
    const op = opOf(at)
    if (op.kind === 'image') return at
    const base = op.kind === 'merge' ? 0 : baseOf(op)
    at = base === null ? undefined : op.inputs[base]
  }
  return undefined
}

function baseOf(op: Op): number | null {
  if (op.kind === 'exec') return op.root
  return op.kind === 'file' ? op.base : null
}

/** How each op of a solve ended, as far as its events have told. */
function outcomesOf(order: readonly OpRef[], graph: Graph) {
  const missed = new Set<string>()
  const ended = new Map<string, Pick<PastStep, 'outcome' | 'by' | 'from'>>()
  return {
    observe: (event: BuildEvent): void => {
      if (event.type === 'op-missed') missed.add(event.step)
      else if (event.type === 'op-cached')
        ended.set(event.step, {
          ...{ outcome: 'cached', by: event.by },
          ...(event.from === undefined ? {} : { from: event.from }),
        })
      else if (event.type === 'op-failed') ended.set(event.step, { outcome: 'failed' })
      else if (event.type === 'op-finished') {
        // Directories, images and merges have no records, and are never said to run.
        ended.set(event.step, { outcome: missed.has(event.step) ? 'ran' : 'cached' })
      }
    },
    hasMissed: (ref: OpRef): boolean => missed.has(ref),
    haveAnyMissed: (): boolean => missed.size > 0,
    of: (ref: OpRef): Pick<PastStep, 'outcome' | 'by' | 'from'> => ended.get(ref) ?? { outcome: 'none' },
    summary: (): string =>
      order.map((ref) => `${graph.ops[ref]?.kind} ${ended.get(ref)?.outcome} ${ended.get(ref)?.by}`).join(),
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
