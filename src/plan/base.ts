// The state a stage begins with: nothing, an image, a named context, or what another stage has become.
import type { Platform } from '../core/platform.ts'
import { checkBasePlatform } from '../dockerfile/lint/planned/invalid-base-image-platform.ts'
import type { FileOp, ImageOp, OpNote } from '../graph/op.ts'
import type { ContainerConfig, ImageConfig } from '../image/types.ts'
import { addContext } from './context.ts'
import type { PinnedImage } from './reach.ts'
import type { Origin, StageInfo } from './stages.ts'
import {
  defaultPath,
  environmentOf,
  epochOf,
  type LowerContext,
  noteOf,
  type StageState,
  withStep,
} from './state.ts'
import { Variables } from './variables.ts'

/** FROM scratch: no files, a PATH and `/` to work in. */
export function emptyState(platform: Platform): StageState {
  const image: ImageConfig = {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    rootfs: { type: 'layers', diff_ids: [] },
  }
  return {
    root: null,
    base: { image, history: [] },
    ...environment({ Env: [`PATH=${defaultPath}`], WorkingDir: '/' }, Variables.of()),
    history: undefined,
    additions: undefined,
    triggers: undefined,
    args: undefined,
    unset: Variables.of(),
    set: undefined,
    platform,
    hasWorkdir: false,
    hasCmd: false,
    steps: 0,
  }
}

/** Behind a FROM that is wrong: nothing is known of it, and nothing is built on it. */
export function unknownState(platform: Platform): StageState {
  const state = emptyState(platform)
  // It may be a stage that has a WORKDIR.
  return { ...state, base: { ...state.base, isStandIn: true }, hasWorkdir: true }
}

/** FROM an image: its layers, config and history. An image without layers is `scratch` with a config. */
export function imageState(image: PinnedImage, info: StageInfo, cx: LowerContext): StageState {
  const { config, history, created, ...rest } = image.pin.config
  const known = Object.fromEntries(Object.entries(rest).filter(([key]) => !dockerOnly.has(key)))
  const state: StageState = {
    ...emptyState(image.platform),
    base: {
      image: { ...known, rootfs: rest.rootfs, architecture: rest.architecture, os: rest.os },
      history: history ?? [],
      ...(image.isStandIn ? { isStandIn: true } : {}),
    },
    ...environment(info.isReplaced ? (config ?? {}) : withoutTriggers(config ?? {}), Variables.of()),
    ...(rest.author === undefined ? {} : { author: rest.author }),
  }
  if (image.pin.layers === 0) return state
  const name = info.base?.kind === 'image' ? info.base.name : image.reference
  const platforms = { name, expected: image.platform, actual: image.pin.config }
  for (const found of checkBasePlatform(info.stage.from, platforms)) cx.report(found)
  const op: ImageOp = { kind: 'image', inputs: [], manifest: image.pin.manifest, platform: image.platform }
  const note = noteOf(state, `FROM ${pinnedName(image)}`, info.stage.from.span, cx)
  const { force, ...unforced } = note
  return withStep(state, op, { ...unforced, ...originOf(image) }, cx)
}

/** What the note of an image says of where it is from. */
export function originOf({ reference, pin }: PinnedImage): Pick<OpNote, 'reference' | 'index' | 'args'> {
  const { index, config } = pin
  const variables = config.config?.Env ?? []
  return {
    reference,
    ...(index === undefined ? {} : { index }),
    ...(variables.length === 0 ? {} : { args: variables }),
  }
}

/** `docker.io/library/debian:12@sha256:…`, the digest once. */
export function pinnedName({ reference, pin }: PinnedImage): string {
  return reference.includes('@') ? reference : `${reference}@${pin.manifest}`
}

/** FROM a stage: all it has become, except what belongs to that stage alone. */
export function childState(parent: StageState): StageState {
  const config = withoutTriggers({ ...parent.config, Env: environmentOf(parent) })
  const fresh = { set: undefined, triggers: undefined, hasCmd: false, steps: 0 }
  return { ...parent, ...environment(config, parent.env), ...fresh }
}

/** Triggers run in the stage that builds on them, not again in what is built on that. */
function withoutTriggers({ OnBuild, ...config }: ContainerConfig): ContainerConfig {
  return config
}

/** FROM a named context that is no image: its files as the first layer. */
export function contextState(
  origin: Extract<Origin, { kind: 'context' }>,
  info: StageInfo,
  cx: LowerContext,
): StageState {
  const state = emptyState(info.platform)
  const files = addContext(origin.name, origin.source, cx.stage.slot, cx)
  if (files === undefined) return unknownState(info.platform)
  const op: FileOp = {
    kind: 'file',
    inputs: [files],
    base: null,
    actions: [
      {
        kind: 'copy',
        from: 0,
        sources: ['.'],
        destination: '/',
        exclude: [],
        parents: false,
        unpack: false,
        instruction: 'FROM',
      },
    ],
    ...epochOf(cx),
  }
  const title = `FROM ${origin.name}`
  const after = withStep(state, op, noteOf(state, title, info.stage.from.span, cx), cx)
  return {
    ...after,
    history: {
      entry: { created_by: title, comment: 'buildkit.exporter.image.v0', layer: true },
      before: undefined,
    },
  }
}

/** PATH is always set; a config's variables come after what was there, as if set one by one. */
function environment(
  config: ContainerConfig,
  inherited: Variables,
): { config: ContainerConfig; env: Variables } {
  const written = config.Env ?? []
  const hasPath = written.some((entry) => entry.split('=', 1)[0] === 'PATH')
  const entries = hasPath ? written : [...written, `PATH=${defaultPath}`]
  const env = new Map(inherited)
  for (const entry of entries) {
    const equals = entry.indexOf('=')
    const key = equals === -1 ? entry : entry.slice(0, equals)
    env.delete(key)
    env.set(key, equals === -1 ? '' : entry.slice(equals + 1))
  }
  return { config: { ...config, Env: entries }, env: Variables.of(env) }
}

/** Members docker's own builder left in configs about the container it used; BuildKit drops them too. */
const dockerOnly: ReadonlySet<string> = new Set([
  'container',
  'container_config',
  'docker_version',
  'id',
  'parent',
  'Size',
  'throwaway',
])
