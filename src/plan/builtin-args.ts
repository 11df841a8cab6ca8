// Build args that speak to the builder and need no ARG (field.md §1.5 "Builtin build-args").
import type { Diagnostic } from '../core/diagnostic.ts'
import { parseBoolean } from '../core/go-values.ts'
import type { Stages } from '../dockerfile/ast.ts'
import type { GlobalArgs } from './global-args.ts'
import type { PlanOptions } from './types.ts'

const names: ReadonlySet<string> = new Set([
  'BUILDKIT_BUILD_NAME',
  'BUILDKIT_CACHE_MOUNT_NS',
  'BUILDKIT_CONTEXT_KEEP_GIT_DIR',
  'BUILDKIT_DOCKERFILE_CHECK',
  'BUILDKIT_GIT_ADVICE',
  'BUILDKIT_INLINE_CACHE',
  'BUILDKIT_MULTI_PLATFORM',
  'BUILDKIT_SANDBOX_HOSTNAME',
  'BUILDKIT_SBOM_SCAN_CONTEXT',
  'BUILDKIT_SBOM_SCAN_STAGE',
  'BUILDKIT_SYNTAX',
  'SOURCE_DATE_EPOCH',
])

/** Whether a build arg of this name means something without an ARG. */
export function isBuiltinArg(name: string): boolean {
  return names.has(name)
}

/** The options with the build arg SOURCE_DATE_EPOCH as the plain number that ARG and RUN see; without it when it is empty. */
export function withPlainEpoch(options: PlanOptions): PlanOptions {
  const { SOURCE_DATE_EPOCH: text, ...others } = options.buildArgs
  if (text === undefined) return options
  if (text === '') return { ...options, buildArgs: others }
  const plain = seconds.test(text) ? String(Number(text)) : text
  return plain === text ? options : { ...options, buildArgs: { ...others, SOURCE_DATE_EPOCH: plain } }
}

const seconds = /^[+-]?\d{1,12}$/

/** The options as the builtin build args change them; values that mean nothing are reported. */
export function withBuiltinArgs(
  options: PlanOptions,
  stages: Stages,
  args: GlobalArgs,
  report: (diagnostic: Diagnostic) => void,
): PlanOptions {
  const { buildArgs } = options
  const multi = buildArgs.BUILDKIT_MULTI_PLATFORM || undefined
  const isMulti = multi === undefined ? options.isMultiPlatform : parseBoolean(multi)
  if (isMulti === undefined) {
    report({
      code: 'InvalidBuildArg',
      severity: 'error',
      message: `invalid boolean value for multi-platform: ${multi}`,
      hint: '--build-arg BUILDKIT_MULTI_PLATFORM= takes 1 or 0',
    })
  }
  if (multi !== undefined && isMulti) {
    ignored('BUILDKIT_MULTI_PLATFORM', 'labels name the platform, the image is no index yet', report)
  }
  if (parseBoolean(buildArgs.BUILDKIT_INLINE_CACHE ?? '')) {
    ignored('BUILDKIT_INLINE_CACHE', 'no cache is written into the image yet', report)
  }
  if (isMulti === false && options.isMultiPlatform) {
    report({
      code: 'InvalidBuildArg',
      severity: 'error',
      message: 'conflicting config: returning multiple target platforms is not allowed',
      hint: 'leave out --build-arg BUILDKIT_MULTI_PLATFORM=, or build for one platform',
    })
  }
  const epoch = epochOf(options, stages, args, report)
  return {
    ...options,
    ...(isMulti === undefined ? {} : { isMultiPlatform: isMulti }),
    ...(epoch === undefined ? {} : { epoch }),
  }
}

/** Reports what is asked for and would be missed. */
function ignored(name: string, why: string, report: (diagnostic: Diagnostic) => void): void {
  const message = `build arg ${name} has not its whole effect: ${why}`
  report({ code: 'IgnoredBuildArg', severity: 'warning', message })
}

/** SOURCE_DATE_EPOCH as a build arg, else as an ARG before the first FROM gives it. */
function epochOf(
  { buildArgs, epoch }: PlanOptions,
  stages: Stages,
  args: GlobalArgs,
  report: (diagnostic: Diagnostic) => void,
): string | undefined {
  const text = buildArgs.SOURCE_DATE_EPOCH ?? args.values.get('SOURCE_DATE_EPOCH') ?? ''
  if (text === '') return epoch
  if (seconds.test(text)) return new Date(Number(text) * 1000).toISOString().replace('.000Z', 'Z')
  const pairs = stages.global.flatMap((arg) => arg.pairs)
  const declared = pairs.findLast(({ key }) => key.text === 'SOURCE_DATE_EPOCH')
  const isGiven = Object.hasOwn(buildArgs, 'SOURCE_DATE_EPOCH')
  report({
    code: 'InvalidBuildArg',
    severity: 'error',
    message: `invalid SOURCE_DATE_EPOCH: ${text}`,
    ...(isGiven || declared === undefined ? {} : { span: declared.span }),
    hint: 'it is whole seconds since 1970; taking the time from a context or stage is not supported',
  })
  return epoch
}
