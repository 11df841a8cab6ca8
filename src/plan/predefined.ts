// The arguments every build has without declaring them outside of stages: of the platforms, and the target's name.
import { formatPlatform } from '../core/platform.ts'
import type { Stages } from '../dockerfile/ast.ts'
import type { PlanOptions } from './types.ts'

/** Whether `name` is an argument every build has: of the platforms, or TARGETSTAGE. */
export function isPredefined(name: string): boolean {
  return /^(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$|^TARGETSTAGE$/.test(name)
}

/** Their values in this build; a build arg of such a name wins. */
export function predefined(
  stages: Stages,
  options: PlanOptions,
  buildArgs: Readonly<Record<string, string>>,
): Map<string, string> {
  const build = options.buildPlatform
  const target = options.targetPlatform ?? build
  const args = {
    BUILDPLATFORM: formatPlatform(build),
    BUILDOS: build.os,
    BUILDOSVERSION: '',
    BUILDARCH: build.architecture,
    BUILDVARIANT: build.variant ?? '',
    TARGETPLATFORM: formatPlatform(target),
    TARGETOS: target.os,
    TARGETOSVERSION: '',
    TARGETARCH: target.architecture,
    TARGETVARIANT: target.variant ?? '',
    TARGETSTAGE: options.target || stages.stages.at(-1)?.name || 'default',
  }
  return new Map(
    Object.entries(args).map(([key, value]) => [
      key,
      Object.hasOwn(buildArgs, key) ? (buildArgs[key] ?? '') : value,
    ]),
  )
}
