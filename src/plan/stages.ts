// What each FROM stands for, before anything is known of images: another stage, an image's name, a named
// context, or nothing at all.
import type { Diagnostic, FindNearest } from '../core/diagnostic.ts'
import { SlipwayError } from '../core/error.ts'
import { type Platform, parsePlatform } from '../core/platform.ts'
import { familiarReference, parseReference } from '../core/reference.ts'
import type { Span } from '../core/span.ts'
import type { Stage, Stages } from '../dockerfile/ast.ts'
import type { VariableUse } from '../dockerfile/expand.ts'
import { checkConstantPlatform } from '../dockerfile/lint/planned/from-platform-flag-const-disallowed.ts'
import { invalidDefault } from '../dockerfile/lint/planned/invalid-default-arg-in-from.ts'
import { redundantPlatform } from '../dockerfile/lint/planned/redundant-target-platform.ts'
import { undefinedArgument } from '../dockerfile/lint/planned/undefined-arg-in-from.ts'
import type { Elsewhere, FindElsewhere } from './declarations.ts'
import { expandWith, toleratesUnset } from './expand.ts'
import type { GlobalArgs } from './global-args.ts'
import type { ContextSource, NamedContext, PlanOptions } from './types.ts'

/** Where a file system comes from: FROM's base, or the source of COPY --from. */
export type Origin =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | {
      readonly kind: 'image'
      /** As written, or as the named context says; not checked yet. */
      readonly name: string
      readonly span: Span
      /** What to tell of a name that is none because a variable in it is not set. */
      readonly help?: Elsewhere
    }
  | { readonly kind: 'context'; readonly name: string; readonly source: ContextSource }

export interface StageInfo {
  readonly stage: Stage
  /** Undefined when FROM is wrong, which was reported. */
  readonly base: Origin | undefined
  /** What `--platform` or the target asks for; a stage on a stage has that one's, one on scratch the target's. */
  readonly platform: Platform
  /** Whether a named context has taken the place of the whole stage: its instructions do not run. */
  readonly isReplaced: boolean
}

type Report = (diagnostic: Diagnostic) => void

/** What FROM is read with. */
interface FromContext {
  readonly escapeBy: string
  readonly options: PlanOptions
  readonly args: GlobalArgs
  readonly elsewhere: FindElsewhere
  readonly nearest: FindNearest
  readonly report: Report
}

/** Every stage of the file with its base resolved as far as names go. */
export function resolveStages(
  stages: Stages,
  options: PlanOptions,
  given: Pick<FromContext, 'args' | 'elsewhere' | 'nearest' | 'report'>,
): StageInfo[] {
  const cx: FromContext = { escapeBy: stages.escape, options, ...given }
  const byName = new Map<string, number>()
  const infos: StageInfo[] = []
  for (const stage of stages.stages) {
    const { unread } = stage.from
    const own = unread === undefined ? platformOf(stage, cx) : undefined
    const name = unread === undefined ? baseNameOf(stage, cx) : undefined
    const replacement = stage.name === undefined ? undefined : contextNamed(stage.name, options)
    const base =
      replacement !== undefined
        ? originOfContext(replacement, stage.from.image.span)
        : name === undefined
          ? undefined
          : withHelp(originOf(name.text, byName, stage.from.image.span, options), name.help)
    const parent = base?.kind === 'stage' ? infos[base.index] : undefined
    const asked = replacement === undefined && base?.kind === 'scratch' ? undefined : own
    infos.push({
      stage,
      base,
      platform: parent?.platform ?? asked ?? options.targetPlatform ?? options.buildPlatform,
      isReplaced: replacement !== undefined,
    })
    if (stage.name !== undefined) byName.set(stage.name, stage.index)
    for (const perhaps of unread?.names ?? []) if (!byName.has(perhaps)) byName.set(perhaps, stage.index)
  }
  return infos
}

/** Indexes of the stages by name, the last of each. What an unread FROM may be called counts where nothing else is. */
export function stagesByName(infos: readonly StageInfo[]): ReadonlyMap<string, number> {
  const perhaps = infos.flatMap(({ stage }) =>
    (stage.from.unread?.names ?? []).map((name) => [name, stage.index] as const),
  )
  const named = infos.flatMap(({ stage }) =>
    stage.name === undefined ? [] : [[stage.name, stage.index] as const],
  )
  return new Map([...perhaps, ...named])
}

/** What a name in FROM or behind `--from=` means: a stage of these, a named context, else an image. */
export function originOf(
  name: string,
  stages: ReadonlyMap<string, number>,
  span: Span,
  options: PlanOptions,
): Origin {
  // Differs: BuildKit finds a base in lower case only, although no image is named in upper case.
  const index = stages.get(name.toLowerCase())
  if (index !== undefined) return { kind: 'stage', index }
  if (name === 'scratch') return { kind: 'scratch' }
  const context = contextNamed(name, options)
  return context === undefined ? { kind: 'image', name, span } : originOfContext(context, span)
}

function withHelp(origin: Origin, help: Elsewhere): Origin {
  return origin.kind === 'image' ? { ...origin, help } : origin
}

function originOfContext([name, context]: readonly [string, NamedContext], span: Span): Origin {
  if (context.kind !== 'image') return { kind: 'context', name, source: context }
  if (context.reference === 'scratch') return { kind: 'scratch' }
  return { kind: 'image', name: context.reference, span }
}

/** The named context that answers to `name`; `alpine`, `alpine:latest` and `docker.io/library/alpine` are one name. */
function contextNamed(name: string, options: PlanOptions): readonly [string, NamedContext] | undefined {
  if (/^(?:scratch|context)$/i.test(name)) return undefined
  const wanted = familiarName(name)
  return Object.entries(options.contexts).find(([key]) => familiarName(key) === wanted)
}

function familiarName(name: string): string {
  try {
    return familiarReference(parseReference(name.toLowerCase())).replace(/:latest$/, '')
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return name.toLowerCase()
    throw thrown
  }
}

interface BaseName {
  readonly text: string
  readonly help: Elsewhere
}

function baseNameOf(stage: Stage, cx: FromContext): BaseName | undefined {
  const { escapeBy, args, report } = cx
  const word = stage.from.image
  const { text, unmatched, diagnostics } = expandWith(word, args.values, escapeBy)
  for (const diagnostic of diagnostics) report(diagnostic)
  reportUndefined(unmatched, cx)
  const help = helpWith(unmatched, cx)
  if (text !== '' || diagnostics.length > 0) return text === '' ? undefined : { text, help }
  report({
    code: 'BlankBaseName',
    severity: 'error',
    message: `base name (${word.text}) should not be blank`,
    span: word.span,
    hint: blankHint(unmatched),
    ...help,
  })
  return undefined
}

/** What helps with the first of the variables that are not set: the name that was perhaps meant, or where it is set. */
function helpWith(unmatched: readonly VariableUse[], { args, elsewhere, nearest }: FromContext): Elsewhere {
  const use = unmatched.find((one) => !args.names.has(one.name) && !toleratesUnset(one))
  if (use === undefined) return helpWithDeclared(unmatched, elsewhere)
  const close = nearest(use.name, args.names)
  const found = elsewhere(use, undefined, close)
  return close === undefined ? found : { ...found, hint: `did you mean ${close}?` }
}

/** What helps with an ARG that is declared before the first FROM and has no value. */
function helpWithDeclared(unmatched: readonly VariableUse[], elsewhere: FindElsewhere): Elsewhere {
  const use = unmatched.find((one) => !toleratesUnset(one))
  return use === undefined ? {} : { ...elsewhere(use, undefined, use.name), hint: blankHint([use]) }
}

function blankHint(unmatched: readonly VariableUse[]): string {
  const [use] = unmatched
  if (use === undefined) return 'name an image, a stage or scratch'
  return `give ARG ${use.name} before the first FROM a default, or pass --build-arg ${use.name}=…`
}

function platformOf(stage: Stage, cx: FromContext): Platform | undefined {
  const { escapeBy, options, args, report } = cx
  const word = stage.from.platform
  // `--platform=` with nothing behind it says nothing; a variable that is empty there is a mistake.
  if (word === undefined || word.text === '') return undefined
  const { text, matched, unmatched, diagnostics } = expandWith(word, args.values, escapeBy)
  for (const diagnostic of diagnostics) report(diagnostic)
  if (diagnostics.length > 0) return undefined
  reportUndefined(unmatched, cx)
  const only = matched.length === 1 && unmatched.length === 0 ? matched[0] : undefined
  if (only === 'TARGETPLATFORM' && text === args.values.get('TARGETPLATFORM')) {
    report(redundantPlatform(word))
  }
  if (text === '') {
    report({
      code: 'EmptyPlatform',
      severity: 'error',
      message: `empty platform value from expression ${word.text}`,
      span: word.span,
      ...helpWith(unmatched, cx),
    })
    return undefined
  }
  try {
    const platform = parsePlatform(text, options.buildPlatform)
    const isConstant = matched.length + unmatched.length === 0
    const constant = { flag: word, written: text, platform }
    for (const found of isConstant ? checkConstantPlatform(stage, constant) : []) report(found)
    return platform
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown
    report({
      code: 'InvalidPlatform',
      severity: 'error',
      message: `failed to parse platform ${word.text}: ${thrown.message}`,
      span: word.span,
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
    })
    return undefined
  }
}

function reportUndefined(
  unmatched: readonly VariableUse[],
  { args, elsewhere, nearest, report }: FromContext,
): void {
  for (const use of unmatched) {
    if (args.names.has(use.name) || toleratesUnset(use)) continue
    const close = nearest(use.name, args.names)
    report({ ...undefinedArgument(use, close), ...elsewhere(use, undefined, close) })
  }
}

/** Warns where FROM is no image name as long as no build arg is given (`defaults`: the global args without any). */
export function reportInvalidDefaults(
  infos: readonly StageInfo[],
  defaults: GlobalArgs,
  escapeBy: string,
  report: Report,
): void {
  for (const { stage, base } of infos) {
    const { image } = stage.from
    const { text, matched, unmatched, diagnostics } = expandWith(image, defaults.values, escapeBy)
    const isConstant = matched.length + unmatched.length === 0
    // What is wrong with these build args too is reported as an error.
    if (base === undefined || isConstant || diagnostics.length > 0 || isReference(text)) continue
    if (base.kind === 'image' && !isReference(base.name)) continue
    report(invalidDefault(stage.from))
  }
}

function isReference(text: string): boolean {
  try {
    parseReference(text)
    return true
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return false
    throw thrown
  }
}
