// `slipway build --call`: answers questions about a Dockerfile. Nothing is built; of base images only the configuration is
// asked for, and no privileges are needed.
import type { Context } from '../../core/context.ts'
import type { Diagnostic } from '../../core/diagnostic.ts'
import { diagnosticsData } from '../../core/diagnostic-data.ts'
import { SlipwayError } from '../../core/error.ts'
import { platformOfHost } from '../../core/platform.ts'
import type { SourceFile } from '../../core/span.ts'
import { type CheckReport, checkFile } from '../../plan/check-file.ts'
import { furtherFindings } from '../../plan/further-findings.ts'
import { type Outline, outlineOf } from '../../plan/outline.ts'
import { planWithPins } from '../../plan/plan-with-pins.ts'
import { standInPin } from '../../plan/remote-pins.ts'
import { targetsOf } from '../../plan/targets.ts'
import type { Pin, PinRequest, Pins } from '../../plan/types.ts'
import { type HostOptions, type HostSlot, hostSlot } from '../host.ts'
import { namedContexts } from '../named-contexts.ts'
import { otherFailure, resolvePin, unresolved } from '../pins.ts'
import { withProxyArgs } from '../proxy-args.ts'
import { readInput } from '../read-input.ts'
import { readStages } from '../read-stages.ts'
import { type BuildRequest, planOptionsFrom } from '../request.ts'
import { describeMethods } from './describe.ts'
import {
  base64,
  type LintJson,
  type LocationJson,
  locationsIn,
  type Method,
  type OutlineJson,
  type RequestJson,
  type TargetsJson,
} from './types.ts'

export type Answer =
  | { readonly method: 'lint'; readonly json: LintJson; readonly findings: readonly Diagnostic[] }
  | { readonly method: 'outline'; readonly json: OutlineJson }
  | { readonly method: 'targets'; readonly json: TargetsJson }
  | { readonly method: 'subrequests.describe'; readonly json: readonly RequestJson[] }

export interface Called {
  /** Absent when the file is too wrong for one. */
  readonly answer?: Answer
  /** Mistakes in the Dockerfile, and images that nobody has. */
  readonly errors: readonly Diagnostic[]
  readonly files: readonly SourceFile[]
  readonly dockerfile: string
}

/** The answer to `method`. Throws ERR_CONTEXT_*, ERR_DOCKERFILE_*, and what the store and registries do wrong. */
export async function call(
  method: Method,
  asked: BuildRequest,
  options: HostOptions,
  cx: Context,
): Promise<Called> {
  const { value: contexts } = await namedContexts(asked.contexts)
  const { secrets, agents } = asked
  await using slot = hostSlot({ ...options, secrets, agents, layouts: contexts.layouts }, cx)
  const input = await readInput(asked, slot, cx)
  const { dockerfile } = input
  const proxied = await withProxyArgs(asked.buildArgs, options.environment)
  const request = { ...asked, buildArgs: proxied.value }
  const platform = platformOfHost(options.os, options.architecture)
  const { parsed, stages, diagnostics, files } = readStages(input, request.buildArgs)
  const done = (answer: Answer | undefined, errors: readonly Diagnostic[]): Called => ({
    ...(answer === undefined ? {} : { answer }),
    errors,
    files,
    dockerfile: dockerfile.name,
  })
  if (method === 'subrequests.describe') return done({ method, json: describeMethods() }, [])
  const planOptions = (): ReturnType<typeof planOptionsFrom> =>
    planOptionsFrom(request, input, files, platform, contexts.plan)
  if (method === 'lint') {
    const report = await withImages(request, slot, cx, (resolve) => checkFile(parsed, planOptions(), resolve))
    const { ignoreFile } = input
    const inIgnoreFile = diagnostics.filter(
      ({ severity, span }) =>
        severity === 'error' && ignoreFile !== undefined && span?.file === ignoreFile.name,
    )
    const errors = [...inIgnoreFile, ...errorsOf(report)]
    const findings = report.findings.map(({ diagnostic }) => diagnostic)
    return done({ method, json: lintJson(report, errors, dockerfile, files), findings }, errors)
  }
  const mistakes = diagnostics.filter(({ severity }) => severity === 'error')
  if (mistakes.length > 0) {
    const further = furtherFindings(parsed, planOptions()).diagnostics
    return done(undefined, [...mistakes, ...further.filter(({ severity }) => severity === 'error')])
  }
  if (method === 'targets') {
    const locationOf = locationsIn(dockerfile)
    const targets = targetsOf(stages).map(({ span, isDefault, ...target }) => ({
      ...target,
      ...(isDefault ? { default: true as const } : {}),
      location: locationOf(span),
    }))
    return done({ method, json: { targets, sources: [base64(dockerfile.text)] } }, [])
  }
  const pins = await withImages(request, slot, cx, (resolve) =>
    knownPins(planWithPins(stages, planOptions(), resolve)),
  )
  const { outline, diagnostics: found } = outlineOf(stages, planOptions(), pins)
  // What cannot be built yet can still be described.
  const wrong = found.filter(({ severity, code }) => severity === 'error' && code !== 'NotSupportedYet')
  return wrong.length > 0
    ? done(undefined, wrong)
    : done({ method, json: outlineJson(outline, dockerfile) }, [])
}

type Resolve = (request: PinRequest) => Promise<Pin>

/** Runs `act` with this machine's images. The state directory is opened only when the first one is asked for. */
async function withImages<T>(
  request: BuildRequest,
  slot: HostSlot,
  cx: Context,
  act: (resolve: Resolve) => Promise<T>,
): Promise<T> {
  return await act(async (pin) => {
    // What ADD fetches decides nothing that is asked here.
    if (pin.kind !== 'image') return standInPin(pin)
    return resolvePin(await slot.open(), pin, request.pull, cx)
  })
}

/** The images of a plan; none when one of them cannot be had, which an outline can do without. */
async function knownPins(planned: ReturnType<typeof planWithPins>): Promise<Pins> {
  try {
    return (await planned).value.pins
  } catch (thrown) {
    const other = otherFailure(thrown)
    if (other instanceof SlipwayError || unresolved(thrown) !== undefined) return {}
    throw other
  }
}

function errorsOf({ mistakes, failure }: CheckReport): readonly Diagnostic[] {
  if (failure === undefined) return mistakes.filter(({ severity }) => severity === 'error')
  const missing = unresolved(failure)
  if (missing === undefined) throw otherFailure(failure)
  return [...mistakes.filter(({ severity }) => severity === 'error'), ...missing]
}

function lintJson(
  { findings }: CheckReport,
  errors: readonly Diagnostic[],
  dockerfile: SourceFile,
  files: readonly SourceFile[],
): LintJson {
  const locationOf = locationsIn(dockerfile)
  const place = (diagnostic: Diagnostic): { location?: LocationJson } => {
    const { span } = diagnostic
    return span?.file === dockerfile.name ? { location: locationOf(span) } : {}
  }
  const [first] = errors
  const data = diagnosticsData(
    findings.map(({ diagnostic }) => diagnostic),
    files,
  )
  return {
    warnings: findings.map(({ rule, diagnostic }, i) => ({
      ruleName: rule.name,
      description: rule.description,
      ...(rule.url === undefined ? {} : { url: rule.url }),
      detail: diagnostic.message,
      ...place(diagnostic),
      ...(data[i] === undefined ? {} : { diagnostic: data[i] }),
    })),
    sources: [{ filename: dockerfile.name, language: 'Dockerfile', data: base64(dockerfile.text) }],
    ...(first === undefined
      ? {}
      : {
          buildError: { message: first.message, ...place(first) },
          errors: diagnosticsData(errors, files),
        }),
  }
}

function outlineJson(outline: Outline, dockerfile: SourceFile): OutlineJson {
  const { name, description, args, secrets, ssh, caches } = outline
  const locationOf = locationsIn(dockerfile)
  const placed = <T extends { readonly span: Parameters<typeof locationOf>[0] }>({ span, ...rest }: T) => ({
    ...rest,
    location: locationOf(span),
  })
  const needs = (list: Outline['secrets']): OutlineJson['secrets'] =>
    list.map(({ required, ...need }) => placed({ ...need, ...(required ? { required } : {}) }))
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(args.length === 0 ? {} : { args: args.map(placed) }),
    ...(secrets.length === 0 ? {} : { secrets: needs(secrets) ?? [] }),
    ...(ssh.length === 0 ? {} : { ssh: needs(ssh) ?? [] }),
    ...(caches.length === 0
      ? {}
      : { cache: caches.map(({ name: ID, span }) => ({ ID, location: locationOf(span) })) }),
    sources: [base64(dockerfile.text)],
  }
}
