// Runs every instruction of the reached stages, one stage after the other.
import type { Diagnostic, FindNearest } from '../core/diagnostic.ts'
import { formatPlatform, type Platform } from '../core/platform.ts'
import type { Word } from '../dockerfile/ast.ts'
import { ignoredSourceCheck } from '../dockerfile/lint/planned/copy-ignored-file.ts'
import { checkMultiple } from '../dockerfile/lint/planned/multiple-instructions-disallowed.ts'
import type { GraphBuilder } from '../graph/builder.ts'
import type { OpRef } from '../graph/op.ts'
import {
  childState,
  contextState,
  emptyState,
  imageState,
  originOf,
  pinnedName,
  unknownState,
} from './base.ts'
import { checkInstruction } from './check-instruction.ts'
import { addContext } from './context.ts'
import type { FindElsewhere } from './declarations.ts'
import type { GlobalArgs } from './global-args.ts'
import { isStep, lower, type StageInstruction } from './lower/table.ts'
import { instructionsOf, type Reach } from './reach.ts'
import type { RemotePins } from './remote-pins.ts'
import type { Source } from './sources.ts'
import type { Origin, StageInfo } from './stages.ts'
import type { LowerContext, StageFacts, StageState } from './state.ts'
import type { ContextSource, ImageRequest, PlanOptions } from './types.ts'

/** Is told what the plan goes through. */
export interface Observer {
  /** Each image that is stood in for. */
  standIn?(request: ImageRequest): void
  /** Each stage that is reached, in the order of the file. */
  stage?(info: StageInfo): void
  /** Each instruction of those stages, triggers of their bases too. */
  instruction?(instruction: StageInstruction, at: Lowered): void
}

/** An instruction and its effect. */
export interface Lowered {
  readonly stage: StageInfo
  readonly before: StageState
  readonly after: StageState
  readonly cx: LowerContext
}

export interface LowerStagesInput {
  readonly options: PlanOptions
  readonly graph: GraphBuilder
  readonly pins: RemotePins
  readonly args: GlobalArgs
  readonly elsewhere: FindElsewhere
  readonly nearest: FindNearest
  readonly escape: string
  readonly sourcesOf: (instruction: StageInstruction) => readonly Source[]
  readonly report: (diagnostic: Diagnostic) => void
  readonly unsure: LowerContext['unsure']
  readonly observer?: Observer | undefined
}

/** What each reached stage has become, by index. All images are pinned by now. */
export function lowerStages(
  infos: readonly StageInfo[],
  reached: Reach,
  input: LowerStagesInput,
): ReadonlyMap<number, StageState> {
  const { options, graph, report } = input
  const targetPlatform = options.targetPlatform ?? options.buildPlatform
  const states = new Map<number, StageState>()
  const sourceCheck = ignoredSourceCheck(options.ignore, options.ignorePlaces)
  const isAlone = isOnlyFileSystem(infos, input)
  for (const index of reached.stages) {
    const info = infos[index]
    if (info === undefined) continue
    input.observer?.stage?.(info)
    const triggers = reached.triggersOf(index)
    const facts = factsOf(info, triggers, isAlone, options, targetPlatform)
    const origins = new Map(
      instructionsOf(info, triggers)
        .flatMap(input.sourcesOf)
        .map(({ from, origin }) => [from, origin] as const),
    )
    const cx: LowerContext = {
      options,
      graph,
      escape: input.escape,
      stage: facts,
      isTrigger: false,
      globalArgs: input.args.values,
      elsewhere: input.elsewhere,
      nearest: input.nearest,
      targetPlatform,
      pins: input.pins,
      report,
      unsure: input.unsure,
      context: () =>
        contextSource('context', options.mainContext ?? { kind: 'local', ignore: options.ignore }),
      checkSource: sourceCheck,
      sourceOf: (from) => sourceOf(from, origins.get(from)),
    }
    let state = startState(info.base, info, cx)
    if (!info.isReplaced) {
      const instructions = instructionsOf(info, triggers)
      for (const found of checkMultiple(instructions)) report(found)
      for (const [at, instruction] of instructions.entries()) {
        for (const found of checkInstruction(state, instruction)) report(found)
        const before = state
        const own = at < triggers.length ? { ...cx, isTrigger: true } : cx
        state = lower(state, instruction, own)
        input.observer?.instruction?.(instruction, { stage: info, before, after: state, cx: own })
      }
    }
    states.set(index, state)
  }
  return states

  function startState(base: Origin | undefined, info: StageInfo, cx: LowerContext): StageState {
    switch (base?.kind) {
      case undefined:
        return unknownState(info.platform)
      case 'scratch':
        return emptyState(info.platform)
      case 'stage': {
        const parent = states.get(base.index)
        return parent === undefined ? unknownState(info.platform) : childState(parent)
      }
      case 'context':
        return contextState(base, info, cx)
      case 'image': {
        const image = reached.imageOf(base, info.platform)
        return image === undefined ? unknownState(info.platform) : imageState(image, info, cx)
      }
    }
  }

  function sourceOf(from: Word, origin: Origin | undefined): OpRef | undefined {
    switch (origin?.kind) {
      case undefined:
        return undefined
      case 'scratch':
        return emptySource(graph)
      case 'context':
        return contextSource(origin.name, origin.source)
      case 'image': {
        const image = reached.imageOf(origin, targetPlatform)
        if (image === undefined) return undefined
        if (image.pin.layers === 0) return emptySource(graph)
        return graph.add(
          { kind: 'image', inputs: [], manifest: image.pin.manifest, platform: image.platform },
          {
            slot: { stage: slotOf(image.reference, options, targetPlatform), ordinal: 0 },
            label: '',
            title: `FROM ${pinnedName(image)}`,
            span: from.span,
            ...originOf(image),
          },
        )
      }
      case 'stage':
        return stageSource(origin.index)
    }
  }

  function contextSource(name: string, source: ContextSource): OpRef {
    const slot = slotOf(name, options, targetPlatform)
    return addContext(name, source, slot, { graph, pins: input.pins, report }) ?? emptySource(graph)
  }

  function stageSource(index: number): OpRef | undefined {
    const source = infos[index]
    if (source === undefined) return undefined
    // A stage that is a build context is read as one: no layer has to be made of it.
    if (source.isReplaced && source.base?.kind === 'context') {
      return contextSource(source.base.name, source.base.source)
    }
    const state = states.get(index)
    if (state === undefined) return undefined
    return state.root ?? emptySource(graph)
  }
}

/** An op without files, for copying from a stage that has none. */
function emptySource(graph: GraphBuilder): OpRef {
  return graph.add(
    { kind: 'merge', inputs: [] },
    { slot: { stage: 'scratch', ordinal: 0 }, label: '', title: 'FROM scratch' },
  )
}

/** Whether the file has one stage and takes nothing from images: its labels then leave out the stage. */
function isOnlyFileSystem(infos: readonly StageInfo[], { sourcesOf }: LowerStagesInput): boolean {
  return infos.length === 1 && infos.every(({ stage }) => stage.instructions.flatMap(sourcesOf).length === 0)
}

function factsOf(
  info: StageInfo,
  triggers: readonly StageInstruction[],
  isAlone: boolean,
  options: PlanOptions,
  platform: Platform,
): StageFacts {
  const { name, index } = info.stage
  const hasBase = info.base?.kind === 'image' || info.base?.kind === 'context'
  return {
    index,
    label: isAlone ? '' : (name ?? `stage-${index}`),
    slot: slotOf(name ?? String(index), options, platform),
    total: (hasBase ? 1 : 0) + instructionsOf(info, triggers).filter(isStep).length,
    isForced:
      options.noCache ||
      options.noCacheFilter.some((filter) => filter.toLowerCase() === name || filter === String(index)),
  }
}

function slotOf(stage: string, options: PlanOptions, platform: Platform): string {
  const where = options.isMultiPlatform ? formatPlatform(platform) : ''
  return [where, stage].filter((part) => part !== '').join('/')
}
