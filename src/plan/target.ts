// The finished stage as the image to make.
import { normalisePlatform } from '../core/platform.ts'
import { type ContainerConfig, containerMembers, type ImageConfig } from '../image/types.ts'
import { configOf, historyOf, type StageState } from './state.ts'
import type { PlanOptions, Target } from './types.ts'

/** The target of a build whose last state is `state`: command-line labels on top, the asked platform, empty members left out. */
export function targetOf(state: StageState, options: PlanOptions): Target {
  const { image, history } = state.base
  const config = configOf(state)
  const container = withoutEmpty({ ...config, Labels: { ...config.Labels, ...options.labels } })
  const whole: ImageConfig = {
    ...onPlatform(image, options),
    ...(state.author === undefined ? {} : { author: state.author }),
    config: container,
  }
  const { epoch } = options
  return {
    root: state.root,
    ...(epoch === undefined ? {} : { epoch }),
    baseLayers: image.rootfs.diff_ids.length,
    config: whole,
    baseHistory: history,
    history: historyOf(state),
  }
}

/** The base's config for the platform that is asked for, spelled as everywhere: `arm64/v8` is `arm64`. */
function onPlatform({ variant, ...image }: ImageConfig, { targetPlatform }: PlanOptions): ImageConfig {
  const own = { os: image.os, architecture: image.architecture, ...(variant ? { variant } : {}) }
  if (targetPlatform === undefined) return { ...image, ...normalisePlatform(own) }
  if (own.os === targetPlatform.os && own.architecture === targetPlatform.architecture) {
    return { ...image, ...normalisePlatform({ ...own, ...targetPlatform }) }
  }
  // A base for another platform keeps nothing of it: the image says what was asked for.
  const { 'os.version': _, 'os.features': __, ...rest } = image
  return { ...rest, ...normalisePlatform(targetPlatform) }
}

/** Without empty members, and without those that only docker's older builder wrote. */
function withoutEmpty(config: ContainerConfig): ContainerConfig {
  return Object.fromEntries(
    containerMembers.flatMap((key) => {
      const value = config[key]
      const isEmpty =
        !value ||
        (Array.isArray(value) && value.length === 0) ||
        (typeof value === 'object' && Object.keys(value).length === 0)
      return isEmpty ? [] : [[key, value]]
    }),
  )
}
