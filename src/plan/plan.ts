// Stages → a pinned graph and its target. Pure: what needs the network comes back as requests for pins.
import {
  type Diagnostic,
  hasErrors,
  mostErrors,
  nearest as nearestOf,
  nearestWithin,
  type Outcome,
  tooManyErrors,
} from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Stages } from '../dockerfile/ast.ts'
import { checkCacheFilters } from '../dockerfile/lint/planned/unknown-cache-filter.ts'
import { graphBuilder } from '../graph/builder.ts'
import { emptyState } from './base.ts'
import { withBuiltinArgs, withPlainEpoch } from './builtin-args.ts'
import { withoutUnsure } from './consequences.ts'
import { declarationsOf } from './declarations.ts'
import { globalArgs } from './global-args.ts'
import { checkEarly } from './lower/table.ts'
import { lowerStages, type Observer } from './lower-stages.ts'
import { instructionsOf, reach } from './reach.ts'
import { remotePins } from './remote-pins.ts'
import { type Edge, reportCycles, sourceReader } from './sources.ts'
import { reportInvalidDefaults, resolveStages, type StageInfo, stagesByName } from './stages.ts'
import { targetOf } from './target.ts'
import type { Pins, Planned, PlanOptions, Ready } from './types.ts'
import { unusedBuildArgs } from './unused-args.ts'

/** The plan of a target. With errors among the diagnostics its value is not to be built; without, `needs` asks for pins and a further call. */
export function plan(stages: Stages, asked: PlanOptions, pins: Pins, observer?: Observer): Outcome<Planned> {
  const given = withPlainEpoch(asked)
  const found = new Map<string, Diagnostic>()
  let errors = 0
  const report = (diagnostic: Diagnostic): void => {
    const { code, message, span } = diagnostic
    const key = `${code} ${message} ${span?.file}:${span?.start}`
    if (diagnostic.severity !== 'error' || found.has(key)) found.set(key, diagnostic)
    else if (errors++ < mostErrors) found.set(key, diagnostic)
    else if (span !== undefined && errors === mostErrors + 1) found.set(key, tooManyErrors(span))
  }
  // Words whose meaning an unknown base decides, too.
  const unsure: Span[] = []
  const done = (value: Planned): Outcome<Planned> => ({
    value,
    diagnostics: inOrder(withoutUnsure([...found.values()], unsure)),
  })

  const args = globalArgs(stages, given, given.buildArgs, report)
  const options = withBuiltinArgs(given, stages, args, report)
  const elsewhere = declarationsOf(stages)
  const nearest = nearestWithin()
  const infos = resolveStages(stages, options, { args, elsewhere, nearest, report })
  const defaults = globalArgs(stages, options, {}, () => undefined)
  reportInvalidDefaults(infos, defaults, stages.escape, report)
  const sourcesOf = sourceReader(infos, options, report)
  const edges = infos.map((info) => edgesOf(info, sourcesOf))
  const target = targetIndex(infos, options, report)
  const circular = reportCycles(infos, (index) => edges[index] ?? [], report)
  if (target === undefined || circular === 'too many') return done(nothing(options))

  const reached = reach(target, infos, {
    pins,
    sourcesOf,
    stagesByName: stagesByName(infos),
    circular,
    platform: targetPlatform(options),
    everyStage: options.everyStage === true,
    standIns: options.standIns === true,
    contexts: Object.keys(options.contexts),
    nearest,
    report,
  })
  const instructions = reached.stages.flatMap((index) => {
    const info = infos[index]
    return info === undefined ? [] : instructionsOf(info, reached.triggersOf(index))
  })
  for (const instruction of instructions) checkEarly(instruction, options, report)
  if (options.standIns === true) for (const image of reached.missing) observer?.standIn?.(image)
  else if (reached.missing.length > 0) {
    if (!hasErrors([...found.values()])) return done({ kind: 'needs', pins: reached.missing })
    // No image is asked for in vain, and yet the other mistakes of the file are found.
    const { diagnostics } = plan(stages, { ...options, standIns: true }, pins, observer)
    return { value: nothing(options), diagnostics }
  }

  const graph = graphBuilder()
  const remotes = remotePins(pins)
  const states = lowerStages(infos, reached, {
    options,
    graph,
    pins: remotes,
    args,
    elsewhere,
    nearest,
    sourcesOf,
    escape: stages.escape,
    report,
    unsure: (span) => unsure.push(span),
    observer,
  })
  for (const diagnostic of unusedBuildArgs(stages, instructions, options.buildArgs, args.names)) {
    report(diagnostic)
  }
  const names = infos.flatMap(({ stage }) => stage.name ?? [])
  for (const found of checkCacheFilters(options.noCacheFilter, names, infos.length)) report(found)
  const final = states.get(target)
  if (final === undefined) return done(nothing(options))
  const missing = options.standIns === true ? [] : remotes.missing()
  if (missing.length > 0) {
    return done(hasErrors([...found.values()]) ? nothing(options) : { kind: 'needs', pins: missing })
  }
  const image = targetOf(final, options)
  return done({
    kind: 'ready',
    graph: graph.graph(image.root === null ? [] : [image.root], options.files),
    target: image,
  })
}

function targetPlatform(options: PlanOptions) {
  return options.targetPlatform ?? options.buildPlatform
}

/** What comes with errors: an empty image that nobody builds. */
function nothing(options: PlanOptions): Ready {
  return {
    kind: 'ready',
    graph: graphBuilder().graph([], options.files),
    target: targetOf(emptyState(targetPlatform(options)), options),
  }
}

function edgesOf(info: StageInfo, sourcesOf: ReturnType<typeof sourceReader>): Edge[] {
  if (info.isReplaced) return []
  const sources = info.stage.instructions.flatMap(sourcesOf)
  return [
    ...(info.base?.kind === 'stage' ? [{ to: info.base.index, from: info.stage.from.image }] : []),
    ...sources.flatMap(({ from, origin }) => (origin.kind === 'stage' ? [{ to: origin.index, from }] : [])),
  ]
}

/** The stage to build; with a name that none has, reported, the one that was perhaps meant: to be looked at. */
function targetIndex(
  infos: readonly StageInfo[],
  { target }: PlanOptions,
  report: (diagnostic: Diagnostic) => void,
): number | undefined {
  if (infos.length === 0) {
    report({
      code: 'NoStages',
      severity: 'error',
      message: 'dockerfile contains no stages to build',
      hint: 'begin with FROM',
    })
    return undefined
  }
  if (target === undefined || target === '') return infos.length - 1
  const byName = stagesByName(infos)
  const named = byName.get(target.toLowerCase())
  if (named !== undefined) return named
  const names = infos.flatMap(({ stage }) => (stage.name === undefined ? [] : [stage.name]))
  const close = nearestOf(target, names)
  report({
    code: 'UnknownTarget',
    severity: 'error',
    message: `target stage "${target}" could not be found`,
    hint: targetHint(target, infos, close),
  })
  return close === undefined ? undefined : byName.get(close)
}

function targetHint(target: string, infos: readonly StageInfo[], close: string | undefined): string {
  const numbered = /^\d+$/.test(target) ? infos[Number(target)]?.stage : undefined
  if (numbered !== undefined) {
    return numbered.name === undefined
      ? `a target is a name: give stage ${target} one, FROM … AS <name>`
      : `a target is a name: stage ${target} is ${numbered.name}`
  }
  if (close !== undefined) return `did you mean ${close}?`
  const names = infos.flatMap(({ stage }) => stage.name ?? [])
  return names.length > 0
    ? `the stages are ${names.join(', ')}`
    : 'no stage has a name: give the one you mean one, FROM … AS <name>'
}

/** By place in the file; those without one last. */
function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const placeOf = ({ span }: Diagnostic): number => span?.start ?? Number.POSITIVE_INFINITY
  return [...diagnostics].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : placeOf(a) > placeOf(b) ? 1 : 0))
}
