// What a target can be given from outside: its build arguments, secrets, SSH agents and caches (`--call=outline`).
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Arg, Run, Stages } from '../dockerfile/ast.ts'
import { readMounts } from '../dockerfile/mount.ts'
import type { Mount } from '../dockerfile/mount-types.ts'
import { newReport } from '../dockerfile/report.ts'
import { expandIn, expandWith } from './expand.ts'
import { globalArgs } from './global-args.ts'
import type { Lowered, Observer } from './lower-stages.ts'
import { cleanWritten } from './paths.ts'
import { plan } from './plan.ts'
import type { StageInfo } from './stages.ts'
import { argsSince } from './state.ts'
import type { Pins, PlanOptions } from './types.ts'

export interface OutlineArg {
  readonly name: string
  readonly description?: string
  /** What the build would use; absent when it is not set. */
  readonly value?: string
  /** The whole ARG instruction. */
  readonly span: Span
}

/** A secret, SSH agent or cache; `required` when a step fails without it. */
export interface OutlineNeed {
  readonly name: string
  readonly required: boolean
  /** The first RUN that asks for it. */
  readonly span: Span
}

export interface Outline {
  /** The target stage's name, and what the comment above it says. */
  readonly name?: string
  readonly description?: string
  readonly args: readonly OutlineArg[]
  readonly secrets: readonly OutlineNeed[]
  readonly ssh: readonly OutlineNeed[]
  readonly caches: readonly OutlineNeed[]
}

/**
 * The outline of the target with what is wrong in the file. Images without a pin count as empty ones, so that it can be
 * read without a network; their environment and triggers are then missing from it.
 */
export function outlineOf(
  stages: Stages,
  options: PlanOptions,
  pins: Pins,
): { readonly outline: Outline; readonly diagnostics: readonly Diagnostic[] } {
  const seen: StageInfo[] = []
  const args = new Map<number, Map<string, OutlineArg>>()
  const declared = new Set(stages.global.flatMap(({ pairs }) => pairs.map(({ key }) => key.text)))
  const needs = new Needs()
  const observer: Observer = {
    stage: (info) => seen.push(info),
    instruction: (instruction, at) => {
      if (instruction.kind === 'ARG') noteArgs(instruction, at, { args, declared })
      if (instruction.kind === 'RUN') needs.note(instruction, at)
    },
  }
  const { diagnostics } = plan(stages, { ...options, standIns: true }, pins, observer)
  const target = targetAmong(seen, options)
  const { name, from } = target?.stage ?? {}
  return {
    outline: {
      ...(name === undefined ? {} : { name }),
      ...(from?.description === undefined ? {} : { description: from.description }),
      args: inOrder(mergeArgs(seen, args, target, globals(stages, options, seen, args))),
      ...needs.found(),
    },
    diagnostics,
  }
}

/** The stage that was asked for: the last of the reached ones, which are what it needs. */
function targetAmong(seen: readonly StageInfo[], { target }: PlanOptions): StageInfo | undefined {
  if (target === undefined || target === '') return seen.at(-1)
  return seen.findLast(({ stage }) => stage.name === target.toLowerCase())
}

interface Noted {
  readonly args: Map<number, Map<string, OutlineArg>>
  /** Names of the ARGs before the first FROM. */
  readonly declared: ReadonlySet<string>
}

function noteArgs(instruction: Arg, at: Lowered, { args, declared }: Noted): void {
  const { index } = at.stage.stage
  const own = args.get(index) ?? new Map<string, OutlineArg>()
  args.set(index, own)
  const known = argsSince(at.after.args, at.before.args)
  for (const [i, { key, value, description }] of instruction.pairs.entries()) {
    const name = key.text
    // The global ARG speaks for a bare one that takes its value from there, and nobody for what the builder sets by itself.
    const isGiven = !declared.has(name) && Object.hasOwn(at.cx.options.buildArgs, name)
    if (value === undefined && at.cx.globalArgs.has(name) && !isGiven) continue
    const set = known[i]?.value
    own.set(name, {
      name,
      ...(description === undefined ? {} : { description }),
      ...(set === undefined ? {} : { value: set }),
      span: instruction.span,
    })
  }
}

/** Each name once: as the target says it, else as the stage nearest to it does, else as it stands before all stages. */
function mergeArgs(
  seen: readonly StageInfo[],
  args: ReadonlyMap<number, ReadonlyMap<string, OutlineArg>>,
  target: StageInfo | undefined,
  global: readonly OutlineArg[],
): OutlineArg[] {
  const merged = new Map<string, OutlineArg>()
  const nearestFirst = [...(target === undefined ? [] : [target]), ...seen.toReversed()]
  for (const { stage } of nearestFirst) {
    for (const [name, arg] of args.get(stage.index) ?? []) if (!merged.has(name)) merged.set(name, arg)
  }
  for (const arg of global) if (!merged.has(arg.name)) merged.set(arg.name, arg)
  return [...merged.values()]
}

/** The ARGs before the first FROM that a reached FROM or a bare ARG of a reached stage uses, and those they use. */
function globals(
  stages: Stages,
  options: PlanOptions,
  seen: readonly StageInfo[],
  args: ReadonlyMap<number, ReadonlyMap<string, OutlineArg>>,
): OutlineArg[] {
  const ignore = (): void => undefined
  const { values } = globalArgs(stages, options, options.buildArgs, ignore)
  const used = new Set<string>()
  for (const { stage, isReplaced } of seen) {
    if (isReplaced) continue
    const { image, platform } = stage.from
    for (const word of [image, ...(platform === undefined ? [] : [platform])]) {
      for (const name of expandWith(word, values, stages.escape).matched) used.add(name)
    }
    for (const instruction of stage.instructions) {
      if (instruction.kind !== 'ARG') continue
      for (const { key } of instruction.pairs) if (!args.get(stage.index)?.has(key.text)) used.add(key.text)
    }
  }
  const found = new Map<string, OutlineArg>()
  // Backwards: a default uses what stands before it.
  for (const instruction of stages.global.toReversed()) {
    for (const { key, value, description } of instruction.pairs.toReversed()) {
      const name = key.text
      if (!used.has(name)) continue
      const isGiven = Object.hasOwn(options.buildArgs, name)
      if (value !== undefined && !isGiven) {
        for (const other of expandWith(value, values, stages.escape).matched) used.add(other)
      }
      if (found.has(name)) continue
      const set = values.get(name)
      found.set(name, {
        name,
        ...(description === undefined ? {} : { description }),
        ...(set === undefined ? {} : { value: set }),
        span: instruction.span,
      })
    }
  }
  return [...found.values()]
}

type Kind = 'secrets' | 'ssh' | 'caches'

/** What RUN mounts ask for, each name once. */
class Needs {
  readonly #byKind: Record<Kind, Map<string, OutlineNeed>> = {
    secrets: new Map(),
    ssh: new Map(),
    caches: new Map(),
  }

  note(run: Run, { before, cx }: Lowered): void {
    // The plan itself has reported what is wrong with them.
    const silent = { ...cx, report: () => undefined }
    const mounts = readMounts(run, { expand: (word) => expandIn(word, before, silent), report: newReport() })
    for (const mount of mounts) {
      const kind = kindOf(mount)
      if (kind === undefined) continue
      const name = ('id' in mount ? mount.id : undefined) ?? cleanWritten(mount.target?.text ?? '')
      const required = 'required' in mount && mount.required
      const known = this.#byKind[kind].get(name)
      // Differs: BuildKit keeps what the first mount of a name says, although a later one may require it.
      this.#byKind[kind].set(name, {
        name,
        required: required || known?.required === true,
        span: known?.span ?? run.span,
      })
    }
  }

  found(): Readonly<Record<Kind, readonly OutlineNeed[]>> {
    const { secrets, ssh, caches } = this.#byKind
    return {
      secrets: inOrder([...secrets.values()]),
      ssh: inOrder([...ssh.values()]),
      caches: inOrder([...caches.values()]),
    }
  }
}

function kindOf({ kind }: Mount): Kind | undefined {
  return kind === 'secret' ? 'secrets' : kind === 'ssh' ? 'ssh' : kind === 'cache' ? 'caches' : undefined
}

function inOrder<T extends { readonly span: Span }>(list: T[]): T[] {
  return list.sort((a, b) => a.span.start - b.span.start)
}
