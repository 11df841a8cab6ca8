// What a stage has become so far, and what an instruction may use to take it one further. Instructions
// are functions from state to state; only the graph builder and the list of diagnostics grow on the side.
import type { Diagnostic, FindNearest } from '../core/diagnostic.ts'
import { redact } from '../core/error.ts'
import { formatPlatform, type Platform } from '../core/platform.ts'
import type { Span } from '../core/span.ts'
import type { Instruction, Word } from '../dockerfile/ast.ts'
import type { IgnoredSourceCheck } from '../dockerfile/lint/planned/copy-ignored-file.ts'
import type { GraphBuilder } from '../graph/builder.ts'
import type { Op, OpNote, OpRef } from '../graph/op.ts'
import type { ContainerConfig, History, ImageConfig, PlannedHistory } from '../image/types.ts'
import type { FindElsewhere } from './declarations.ts'
import type { RemotePins } from './remote-pins.ts'
import type { PlanOptions } from './types.ts'
import type { Variables } from './variables.ts'

/** An ARG in scope; without `value` it was declared and never given one. */
export interface DeclaredArg {
  readonly key: string
  readonly value?: string
}

/** The ARGs in scope from the newest back. */
export interface ArgChain {
  readonly arg: DeclaredArg
  readonly before: ArgChain | undefined
}

/** What ENV has set in this stage from the newest back. */
export interface EnvChain {
  readonly key: string
  readonly value: string
  readonly before: EnvChain | undefined
}

/** The image a chain of stages started from. */
export interface BaseImage {
  /** Without `config`, `history` and `created`. */
  readonly image: ImageConfig
  readonly history: readonly History[]
  /** Whether nothing is known of the image: neither its variables nor its SHELL. */
  readonly isStandIn?: true
}

/** Entries of a history from the newest back. */
export interface HistoryChain {
  readonly entry: PlannedHistory
  readonly before: HistoryChain | undefined
}

/** What LABEL, EXPOSE and VOLUME have put into maps of the config, from the newest back. */
export interface AdditionChain {
  readonly addition: Addition
  readonly before: AdditionChain | undefined
}

/** The triggers that ONBUILD has kept, from the newest back. */
export interface TriggerChain {
  readonly text: string
  readonly before: TriggerChain | undefined
}

export type Addition =
  | { readonly member: 'Labels'; readonly entries: readonly (readonly [string, string])[] }
  | {
      readonly member: 'ExposedPorts' | 'Volumes'
      readonly entries: readonly (readonly [string, Record<string, never>])[]
    }

export interface StageState {
  /** The root file system so far; null is the empty one. */
  readonly root: OpRef | null
  readonly base: BaseImage
  /** Without what `set`, `additions` and `triggers` add: `configOf` has it all. */
  readonly config: ContainerConfig
  readonly set: EnvChain | undefined
  /** Like the history, not copied for every instruction. */
  readonly additions: AdditionChain | undefined
  readonly triggers: TriggerChain | undefined
  readonly author?: string
  /** The newest entry, and those before it: copying them for every instruction would cost a square. */
  readonly history: HistoryChain | undefined
  /** ENV and the ARGs that have a value: what words and RUN see. */
  readonly env: Variables
  /** Those of the stages below are the oldest. */
  readonly args: ArgChain | undefined
  /** The ARGs that have no value here: declared, but no variables. */
  readonly unset: Variables
  readonly platform: Platform
  /** Whether a WORKDIR of this Dockerfile has been seen in the chain of stages. */
  readonly hasWorkdir: boolean
  /** Whether this very stage has set CMD. */
  readonly hasCmd: boolean
  /** Steps labelled so far, for `[stage 2/5]`. */
  readonly steps: number
}

/** What an instruction sees beside the state. One per stage, two when ONBUILD triggers run. */
export interface LowerContext {
  readonly options: PlanOptions
  readonly graph: GraphBuilder
  /** The Dockerfile's escape character. */
  readonly escape: string
  readonly stage: StageFacts
  /** Whether the instruction is an ONBUILD trigger of the base. */
  readonly isTrigger: boolean
  readonly globalArgs: ReadonlyMap<string, string>
  /** Where variables are set that are not set here. */
  readonly elsewhere: FindElsewhere
  readonly targetPlatform: Platform
  /** For names that were perhaps meant. */
  readonly nearest: FindNearest
  /** What URLs stand for. */
  readonly pins: RemotePins
  report(diagnostic: Diagnostic): void
  /** Says that nobody knows what the word at `span` means: the base may set a variable in it. */
  unsure(span: Span): void
  /** The main build context. */
  context(): OpRef
  /** Says when a path of the main build context is one that the ignore file keeps out. */
  readonly checkSource: IgnoredSourceCheck
  /** The file system COPY --from names; undefined when that was reported as a mistake. */
  sourceOf(from: Word): OpRef | undefined
}

export interface StageFacts {
  readonly index: number
  /** As labels show it: the name, `stage-1`, or nothing when it is the only stage. */
  readonly label: string
  /** As slots keep it. */
  readonly slot: string
  /** How many labelled steps the stage has. */
  readonly total: number
  /** `--no-cache`. */
  readonly isForced: boolean
}

/** An instruction's effect: the state after it. Mistakes are reported and leave the state as it was. */
export type Lower<I extends Instruction> = (state: StageState, instruction: I, cx: LowerContext) => StageState

export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The state with a history entry (field.md §1.6). Steps with files of their own say `# buildkit` in `text` themselves. */
export function withHistory(
  state: StageState,
  text: string,
  cx: LowerContext,
  layer: 'layer' | 'no layer' = 'no layer',
): StageState {
  const said = { created_by: text, comment: 'buildkit.dockerfile.v0', layer: layer === 'layer' }
  const { epoch } = cx.options
  const entry: PlannedHistory = epoch === undefined ? said : { created: epoch, ...said }
  return { ...state, history: { entry, before: state.history } }
}

/** The state's history, oldest entry first. */
export function historyOf({ history }: StageState): readonly PlannedHistory[] {
  const entries: PlannedHistory[] = []
  for (let link = history; link !== undefined; link = link.before) entries.push(link.entry)
  return entries.reverse()
}

export function withAddition(state: StageState, addition: Addition): StageState {
  return { ...state, additions: { addition, before: state.additions } }
}

/** The ARGs that were declared between `before` and `args`, the oldest first. */
export function argsSince(args: ArgChain | undefined, before?: ArgChain): readonly DeclaredArg[] {
  const found: DeclaredArg[] = []
  for (let link = args; link !== undefined && link !== before; link = link.before) found.push(link.arg)
  return found.reverse()
}

/** `KEY=value` of every variable of the image; a known key keeps its place. */
export function environmentOf({ config, set }: StageState): readonly string[] {
  const entries = [...(config.Env ?? [])]
  if (set === undefined) return entries
  const places = new Map<string, number>()
  for (const [at, entry] of entries.entries()) {
    const [key = ''] = entry.split('=', 1)
    if (!places.has(key)) places.set(key, at)
  }
  const assignments: EnvChain[] = []
  for (let link: EnvChain | undefined = set; link !== undefined; link = link.before) assignments.push(link)
  for (const { key, value } of assignments.reverse()) {
    const place = places.get(key) ?? entries.length
    places.set(key, place)
    entries[place] = `${key}=${value}`
  }
  return entries
}

/** The whole config of the state. */
export function configOf(state: StageState): ContainerConfig {
  const { config, additions } = state
  const all: Addition[] = []
  for (let link = additions; link !== undefined; link = link.before) all.push(link.addition)
  all.reverse()
  // Of maps: a label may be called `__proto__`.
  const labels = new Map(Object.entries(config.Labels ?? {}))
  const ports = new Map(Object.entries(config.ExposedPorts ?? {}))
  const volumes = new Map(Object.entries(config.Volumes ?? {}))
  for (const { member, entries } of all) {
    if (member === 'Labels') for (const [key, value] of entries) labels.set(key, value)
    else for (const [key, value] of entries) (member === 'Volumes' ? volumes : ports).set(key, value)
  }
  return {
    ...config,
    ...(state.set === undefined ? {} : { Env: environmentOf(state) }),
    ...(state.triggers === undefined ? {} : { OnBuild: triggersOf(state) }),
    Labels: Object.fromEntries(labels),
    ExposedPorts: Object.fromEntries(ports),
    Volumes: Object.fromEntries(volumes),
  }
}

function triggersOf({ config, triggers }: StageState): readonly string[] {
  const texts: string[] = []
  for (let link = triggers; link !== undefined; link = link.before) texts.push(link.text)
  return [...(config.OnBuild ?? []), ...texts.reverse()]
}

export function withConfig(state: StageState, change: Partial<ContainerConfig>): StageState {
  return { ...state, config: { ...state.config, ...change } }
}

/** What a file op says of the time, so that a step made without an epoch is not taken for one made with it. */
export function epochOf({ options: { epoch } }: LowerContext): { epoch?: string } {
  return epoch === undefined ? {} : { epoch }
}

/** `NAME=value` of the ARGs that have their say here: an ENV of the same name may have taken it. */
export function argEntries({ args, env }: StageState): readonly string[] {
  const values = new Map<string, string | undefined>()
  // A chain of stages declares the same few again and again.
  for (let link = args; link !== undefined; link = link.before) {
    const { key, value } = link.arg
    if (value === undefined || values.get(key) !== undefined) continue
    values.set(key, env.get(key) === value ? value : undefined)
  }
  const entries: string[] = []
  for (const [key, value] of values) if (value !== undefined) entries.push(`${key}=${value}`)
  return entries.reverse()
}

/** Those that the text of an instruction names. */
function argsIn(title: string, state: StageState): readonly string[] {
  if (!title.includes('$')) return []
  return argEntries(state).filter((entry) => isNamed(entry.slice(0, entry.indexOf('=')), title))
}

/** Whether `$name` or `${name` stands in the text. */
function isNamed(name: string, text: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    const before = text[at - 1] === '{' ? text[at - 2] : text[at - 1]
    if (before === '$' && !/^\w/.test(text.slice(at + name.length, at + name.length + 1))) return true
  }
  return false
}

/** The note of the stage's next step. */
export function noteOf(state: StageState, title: string, span: Span, cx: LowerContext): OpNote {
  const note: OpNote = {
    slot: { stage: cx.stage.slot, ordinal: state.steps },
    label: labelOf(state, cx),
    title: cx.isTrigger ? `ONBUILD ${title}` : title,
    span,
  }
  const forced: OpNote = cx.stage.isForced ? { ...note, force: true } : note
  const args = argsIn(title, state)
  return args.length === 0 ? forced : { ...forced, args }
}

function labelOf(state: StageState, cx: LowerContext): string {
  const { label, total } = cx.stage
  const width = 1 + Math.floor(Math.log10(Math.max(1, total)))
  const count = `${String(state.steps + 1).padStart(width)}/${total}`
  const platform = cx.options.isMultiPlatform ? formatPlatform(state.platform) : ''
  return `[${[platform, label, count].filter((part) => part !== '').join(' ')}]`
}

/** The state after `op` became its root as the stage's next labelled step. */
export function withStep(state: StageState, op: Op, note: OpNote, cx: LowerContext): StageState {
  return { ...state, root: cx.graph.add(op, note), steps: state.steps + 1 }
}

/** `RUN apt-get update`: the instruction on one line, as written but for credentials in URLs. */
export function titleOf(instruction: Instruction): string {
  const text = instruction.original.replace(/\s*\n\s*/g, ' ')
  return redact(`${instruction.kind} ${text}`.trim())
}
