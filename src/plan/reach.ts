// Which stages and images a target needs. Triggers of base images can need more, so what is unknown
// until an image is pinned comes back as requests.
import type { Diagnostic, FindNearest } from '../core/diagnostic.ts'
import { parseDigest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import type { Platform } from '../core/platform.ts'
import { formatReference, parseReference } from '../core/reference.ts'
import type { Word } from '../dockerfile/ast.ts'
import type { StageInstruction } from './lower/table.ts'
import { triggersOfImage, triggersOfStage } from './onbuild.ts'
import { pinKey } from './pin-key.ts'
import type { Source } from './sources.ts'
import type { Origin, StageInfo } from './stages.ts'
import type { ImagePin, ImageRequest, Pins } from './types.ts'

/** An image of the build: its full name and, once known, what it stands for. */
export interface PinnedImage {
  readonly reference: string
  readonly platform: Platform
  readonly pin: ImagePin
  /** Whether the pin is made up: what the image has is not known. */
  readonly isStandIn?: true
}

export interface Reach {
  /** Indexes of the stages to lower, ascending: each after the ones it may use. */
  readonly stages: readonly number[]
  /** What the stage's base makes it run first. */
  triggersOf(index: number): readonly StageInstruction[]
  /** The image an origin names; undefined when it is not pinned or its name is wrong. */
  imageOf(origin: Origin, platform: Platform): PinnedImage | undefined
  /** The images without a pin, whether they are stood in for or not. */
  readonly missing: readonly ImageRequest[]
}

/** Everything `target` needs, as far as `pins` tell. */
export function reach(
  target: number,
  infos: readonly StageInfo[],
  given: {
    readonly pins: Pins
    readonly sourcesOf: (instruction: StageInstruction) => readonly Source[]
    readonly stagesByName: ReadonlyMap<string, number>
    /** Sources of circles, which have been reported. */
    readonly circular: ReadonlySet<Word>
    /** For images that COPY --from names. */
    readonly platform: Platform
    /** Whether stages that nobody needs count as reached. */
    readonly everyStage: boolean
    /** Whether no image needs a pin. */
    readonly standIns: boolean
    /** Names of `--build-context`. */
    readonly contexts: readonly string[]
    readonly nearest: FindNearest
    readonly report: (diagnostic: Diagnostic) => void
  },
): Reach {
  const missing = new Map<string, ImageRequest>()
  const triggers = new Map<number, readonly StageInstruction[]>()
  const names = new Map<Origin, string | undefined>()

  const referenceOf = (origin: Extract<Origin, { kind: 'image' }>): string | undefined => {
    if (names.has(origin)) return names.get(origin)
    const reference = fullReference(origin, given.report)
    names.set(origin, reference)
    return reference
  }
  const imageOf = (origin: Origin, platform: Platform): PinnedImage | undefined => {
    if (origin.kind !== 'image') return undefined
    const reference = referenceOf(origin)
    if (reference === undefined) return undefined
    const key = pinKey(reference, platform)
    const pin = given.pins[key]
    if (pin?.kind === 'image') return { reference, platform, pin }
    if (!missing.has(key)) {
      const meant = meantBy(origin, infos, given)
      missing.set(key, {
        kind: 'image',
        reference,
        platform,
        span: origin.span,
        ...(meant === undefined ? {} : { meant }),
      })
    }
    return given.standIns ? { reference, platform, pin: standIn(platform), isStandIn: true } : undefined
  }
  const triggersOf = (index: number): readonly StageInstruction[] => {
    const known = triggers.get(index)
    if (known !== undefined) return known
    const found = findTriggers(infos, index, imageOf, given.report)
    triggers.set(index, found)
    return found
  }

  const reached = new Set<number>()
  const follow = (first: number): void => {
    const waiting = [first]
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      const info = infos[index]
      if (info === undefined || reached.has(index)) continue
      reached.add(index)
      if (info.base?.kind === 'stage') waiting.push(info.base.index)
      if (info.base?.kind === 'image') imageOf(info.base, info.platform)
      for (const name of info.stage.mentions ?? []) {
        const mentioned = /^\d+$/.test(name) ? Number(name) : given.stagesByName.get(name)
        if (mentioned !== undefined && mentioned < index) waiting.push(mentioned)
      }
      for (const source of instructionsOf(info, triggersOf(index)).flatMap(given.sourcesOf)) {
        const { origin } = source
        if (origin.kind !== 'stage') imageOf(origin, given.platform)
        else if (origin.index < index) waiting.push(origin.index)
        else if (!given.circular.has(source.from))
          given.report(forwardReference(source, info, infos[origin.index]))
      }
    }
  }
  follow(target)
  for (const { stage } of infos) {
    // Instructions without a FROM above them may belong to any stage.
    if (given.everyStage || stage.from.unread?.isMissing) follow(stage.index)
  }
  // What can be no image's name is a mistake even where nobody needs the stage.
  for (const info of infos) {
    const sources = instructionsOf(info, []).flatMap(given.sourcesOf)
    for (const origin of [info.base, ...sources.map((source) => source.origin)]) {
      if (origin?.kind === 'image') referenceOf(origin)
    }
  }
  return {
    stages: [...reached].sort((a, b) => a - b),
    triggersOf,
    imageOf,
    missing: [...missing.values()],
  }
}

/** The stage or build context that the name of an image nearly is, or is too early for. */
function meantBy(
  { name, span }: Extract<Origin, { kind: 'image' }>,
  infos: readonly StageInfo[],
  { contexts, nearest }: { readonly contexts: readonly string[]; readonly nearest: FindNearest },
): ImageRequest['meant'] {
  const stages = infos.flatMap(({ stage }) => (stage.name === undefined ? [] : [stage.name]))
  const close = nearest(name, [...stages, ...contexts])
  if (close === undefined) return undefined
  const stage = infos.find((info) => info.stage.name === close)?.stage
  if (stage === undefined) {
    return { name: close, hint: `did you mean the build context ${close}?`, notes: [] }
  }
  const isLater = stage.from.span.end > span.start
  const hint = isLater ? `move the stage ${close} up` : `did you mean the stage ${close}?`
  const text = isLater ? 'defined here' : 'the stage that may be meant'
  return { name: close, hint, notes: [{ span: (stage.from.as ?? stage.from.image).span, text }] }
}

/** An image of which only the platform is known. */
function standIn({ os, architecture }: Platform): ImagePin {
  const config = { os, architecture, rootfs: { type: 'layers' as const, diff_ids: [] } }
  return { kind: 'image', manifest: parseDigest(`sha256:${'0'.repeat(64)}`), config, layers: 1 }
}

function forwardReference(
  { from, mountedAt }: Source,
  user: StageInfo,
  source: StageInfo | undefined,
): Diagnostic {
  const userName = user.stage.name ?? String(user.stage.index)
  if (source?.stage.index === user.stage.index) {
    // Differs: only a trigger gets here, and BuildKit then copies from what the stage is so far.
    return {
      code: 'CircularDependency',
      severity: 'error',
      message: `circular dependency detected on stage: ${userName} (it depends on itself)`,
      span: from.span,
      notes: [{ span: source.stage.from.span, text: 'the trigger runs in this stage' }],
      hint: 'a stage can only use what earlier stages have made',
    }
  }
  return {
    code: 'ForwardReference',
    severity: 'error',
    message:
      mountedAt === undefined
        ? `cannot copy from stage "${from.text}", it needs to be defined before current stage "${userName}"`
        : `cannot mount from stage "${from.text}" to "${mountedAt}", stage needs to be defined before current command`,
    span: from.span,
    notes: source === undefined ? [] : [{ span: source.stage.from.span, text: 'defined here' }],
    hint: 'move that stage up',
  }
}

/** What a stage runs: its triggers, then what it says itself. */
export function instructionsOf(
  info: StageInfo,
  triggers: readonly StageInstruction[],
): readonly StageInstruction[] {
  return info.isReplaced ? [] : [...triggers, ...info.stage.instructions]
}

function findTriggers(
  infos: readonly StageInfo[],
  index: number,
  imageOf: Reach['imageOf'],
  report: (diagnostic: Diagnostic) => void,
): readonly StageInstruction[] {
  const info = infos[index]
  if (info === undefined || info.isReplaced || info.base === undefined) return []
  if (info.base.kind === 'stage') {
    const base = infos[info.base.index]
    return base === undefined ? [] : triggersOfStage(base)
  }
  const image = imageOf(info.base, info.platform)
  return triggersOfImage(image?.pin.config.config?.OnBuild ?? [], info.stage.from.span, report)
}

function fullReference(
  origin: Extract<Origin, { kind: 'image' }>,
  report: (diagnostic: Diagnostic) => void,
): string | undefined {
  try {
    return formatReference(parseReference(origin.name))
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown
    report({
      code: 'InvalidReference',
      severity: 'error',
      message: thrown.message,
      span: origin.span,
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
      ...origin.help,
    })
    return undefined
  }
}
