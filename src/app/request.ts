// What a build is asked for, and what of it the plan has to know.
import { type Platform, parsePlatform } from '../core/platform.ts'
import type { SourceFile } from '../core/span.ts'
import type { Ulimit } from '../graph/op.ts'
import type { Entitlement, PlanOptions } from '../plan/types.ts'
import type { NetworkNamespace } from '../sandbox/types.ts'
import type { BuildInput, InputRequest } from './input.ts'
import type { StepLimits } from './limits.ts'
import { ignoreOptions } from './read-stages.ts'
import type { SecretSource } from './secrets.ts'
import type { AgentSource } from './ssh-agents.ts'

/** What the user asked for, checked as far as it can be without reading anything. */
export interface BuildRequest extends InputRequest {
  readonly tags: readonly string[]
  /** `-o` values. */
  readonly outputs: readonly string[]
  /** `--output-on-failure` values. */
  readonly outputsOnFailure: readonly string[]
  /** `--cache-from` and `--cache-to` values. */
  readonly cacheFrom: readonly string[]
  readonly cacheTo: readonly string[]
  readonly target?: string
  readonly platforms: readonly string[]
  readonly buildArgs: Readonly<Record<string, string>>
  readonly contexts: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** `--secret`. */
  readonly secrets: readonly SecretSource[]
  /** `--ssh`. */
  readonly agents: readonly AgentSource[]
  readonly hosts: readonly { readonly name: string; readonly ip: string }[]
  readonly allow: readonly Entitlement[]
  /** `--ulimit`, sorted by name. */
  readonly ulimits: readonly Ulimit[]
  /** Stages whose steps run although a record exists. */
  readonly noCache: readonly string[] | 'all'
  readonly pull: boolean
  readonly network: 'default' | 'host' | 'none'
  /** What `default` means for every step; `--network=ns:…`. */
  readonly networkNamespace?: NetworkNamespace
  readonly shmSizeBytes?: number
  readonly jobs?: number
  /** A step that fails stops only what needs it. */
  readonly keepGoing: boolean
  /** `--runtime`. */
  readonly runtime?: string
  readonly limits: StepLimits
  readonly stdoutIsTerminal: boolean
}

/** The request as the plan of its files for this machine sees it. */
export function planOptionsFrom(
  request: BuildRequest,
  input: BuildInput,
  files: readonly SourceFile[],
  host: Platform,
  contexts: PlanOptions['contexts'],
): PlanOptions {
  const [platform] = request.platforms
  return {
    files,
    buildPlatform: host,
    ...(platform === undefined ? {} : { targetPlatform: parsePlatform(platform, host) }),
    isMultiPlatform: false,
    ...(request.target === undefined ? {} : { target: request.target }),
    buildArgs: request.buildArgs,
    labels: request.labels,
    network: request.network,
    noCache: request.noCache === 'all',
    noCacheFilter: request.noCache === 'all' ? [] : request.noCache,
    hosts: request.hosts,
    contexts,
    ...(input.fetched === undefined ? {} : { mainContext: input.fetched.source }),
    ...ignoreOptions(input),
    // Who gives every step the host's network has granted it (buildx, too).
    allow: request.network === 'host' ? [...request.allow, 'network.host'] : request.allow,
    ulimits: request.ulimits,
  }
}
