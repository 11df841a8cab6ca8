// `slipway build`: docker buildx build's flags, with their meaning.

import { join, resolve } from 'node:path'
import { Option } from 'commander'
import type { Called } from '../../app/call/call.ts'
import type { Deadline } from '../../app/limits.ts'
import type { BuildRequest } from '../../app/request.ts'
import type { BuildReport } from '../../build.ts'
import type { Context } from '../../core/context.ts'
import { countErrors } from '../../core/diagnostic.ts'
import { firstFailure, SlipwayError } from '../../core/error.ts'
import { type ProgressMode, progressModes } from '../../progress/view.ts'
import { type CallRequest, parseCall, printCalled } from '../call.ts'
import {
  collect,
  collectList,
  type DockerCommand,
  expectArguments,
  oneOf,
  unsupported,
  usageError,
} from '../command.ts'
import { buildTimeoutMs, defineLimitFlags, type LimitFlags, limitsFrom } from '../limit-flags.ts'
import { networkFlag } from '../network-flag.ts'
import { openFailedShell, wantsShell } from '../on-error.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions, requireRoot, stateRoot } from '../paths.ts'
import { prepareResultFiles, writeResultFiles } from '../result-files.ts'
import { runtimeFlag } from '../runtime-flag.ts'
import { secretFlag } from '../secret-flag.ts'
import { openSession } from '../session.ts'
import { sshFlag } from '../ssh-flag.ts'
import { ulimits } from '../ulimit.ts'

/** What the command line of a build has. */
export interface Flags extends LimitFlags {
  readonly file?: string
  readonly tag?: readonly string[]
  readonly output?: readonly string[]
  readonly outputOnFailure?: readonly string[]
  readonly cacheFrom?: readonly string[]
  readonly cacheTo?: readonly string[]
  readonly onError?: string
  readonly buildArg?: readonly string[]
  readonly buildContext?: readonly string[]
  readonly label?: readonly string[]
  readonly secret?: readonly string[]
  readonly ssh?: readonly string[]
  readonly addHost?: readonly string[]
  readonly allow?: readonly string[]
  readonly cacheFilter: readonly string[]
  /** `--no-cache` makes it false. */
  readonly cache: boolean
  readonly target?: string
  readonly platform?: readonly string[]
  readonly network?: string
  readonly progress: string
  readonly pull?: boolean
  readonly push?: boolean
  readonly quiet?: boolean
  readonly debug?: boolean
  readonly iidfile?: string
  readonly metadataFile?: string
  readonly shmSize?: string
  readonly ulimit?: readonly string[]
  readonly jobs?: string
  readonly keepGoing?: boolean
  readonly explain?: boolean
  readonly runtime?: string
  readonly call: string
  readonly check?: boolean
}

export const buildCommand: CommandPage = {
  summary: 'Build an image from a Dockerfile',
  define(command, finish) {
    defineFlags(command)
    command.action(async (paths: string[], flags: Flags) => {
      expectArguments(command, paths, 1)
      const isChosen = command.getOptionValueSource('progress') === 'cli'
      finish(await runBuild(paths[0] ?? '', flags, progressFrom(flags, isChosen)))
    })
  },
}

function defineFlags(command: DockerCommand): void {
  const later = 'leave the flag out'
  command
    .usage('[OPTIONS] PATH | -')
    .argument(
      '[path...]',
      'build context: a directory, git repository or URL; - for an archive or a Dockerfile on standard input',
    )
    .option('-f, --file <path>', 'Dockerfile (default: PATH/Dockerfile): a path, a URL, - for standard input')
    .option('-t, --tag <name>', 'name of the image, name[:tag] (repeatable)', collect)
    .option('-o, --output <spec>', 'type=oci|docker|local|tar|registry|image,dest=… (repeatable)', collect)
    .option('--push', 'push the image to its registry: -o type=registry')
    .option('--load', 'keep the image in the local store (the default)')
    .option('--target <stage>', 'stage to build')
    .option('--build-arg <name=value>', 'value of an ARG; without =value from the environment', collect)
    .option(
      '--build-context <name=source>',
      'additional context: directory, docker-image://ref, oci-layout://path, git repository or URL',
      collect,
    )
    .option('--label <name=value>', 'label of the image', collect)
    .option('--platform <list>', 'platform to build for', collectList)
    .option('--no-cache', 'run every step')
    .option('--no-cache-filter <stages>', 'run every step of these stages', collectList, [])
    .option('--pull', 'ask the registry for base images even when they are here')
    .option(
      '--network <mode>',
      'network of RUN: default (kept off the host by pasta or slirp4netns where installed), host, none, ns:NAME or ns:PATH',
    )
    .option('--add-host <name:ip>', 'line for /etc/hosts of RUN; host-gateway is the machine', collect)
    .option('--allow <entitlement>', 'network.host or security.insecure', collectList)
    .option('--secret <spec>', 'secret: id=NAME[,src=FILE|,env=VARIABLE]', collect)
    .option(
      '--ssh <agent>',
      'SSH agent or keys of RUN --mount=type=ssh, and for git: default, ID=SOCKET or ID=KEYFILE[,KEYFILE]',
      collect,
    )
    .option('--shm-size <bytes>', 'size of /dev/shm of RUN')
    .option('--runtime <name>', 'OCI runtime for RUN: crun, runc or a path (default: slipway brings its own)')
    .option('-j, --jobs <count>', 'steps run at the same time (default: twice the CPUs, at least 8)')
    .option('--keep-going', 'when a step fails, go on with those that do not need it')
    .option('--explain', 'say why each step ran, or why it did not have to (see slipway explain)')
    .option('--progress <mode>', progressModes.join(', '), process.env.BUILDKIT_PROGRESS || 'auto')
    .option('-q, --quiet', "print only the image's ID")
    .option('--on-error <action>', 'shell: open a shell where a RUN failed')
    .option(
      '--output-on-failure <spec>',
      'save files of a RUN that failed: type=local,dest=DIRECTORY,path=PATH (repeatable)',
      collect,
    )
    .option('--iidfile <file>', "write the image's ID to a file")
    .option('--metadata-file <file>', 'write the result as JSON to a file')
    .option('-D, --debug', 'write a debug log')
    .option('--rm', 'accepted for compatibility, no effect')
    .option('--force-rm', 'accepted for compatibility, no effect')
    .option('--sbom <off>', 'only false', offOnly('--sbom'))
    .option('--provenance <off>', 'only false', offOnly('--provenance'))
    .option('--attest <spec>', 'not supported yet', unsupported('--attest', later))
    .option('--annotation <spec>', 'not supported yet', unsupported('--annotation', 'use --label'))
    .option(
      '--cache-from <spec>',
      'cache to read: an image or type=registry|local|s3|gha,… (repeatable)',
      collect,
    )
    .option(
      '--cache-to <spec>',
      'cache to write: type=registry|local|inline|s3|gha,…,mode=min|max (repeatable)',
      collect,
    )
    .option('--ulimit <name=soft[:hard]>', 'resource limit of RUN, such as nofile=1024:4096', collect)
    .option('--builder <name>', 'not supported', unsupported('--builder', 'slipway has no builder instances'))
    .option('--call <method>', 'build, check, outline or targets; ,format=json for programs', 'build')
    .option('--check', 'report what the build checks find, build nothing: --call=check')
  defineLimitFlags(command)
  for (const flags of withoutEffect) {
    const option = new Option(flags, 'accepted for compatibility, no effect').hideHelp()
    command.addOption(option)
    command.on(`option:${option.name()}`, () => {
      process.stderr.write(`warning: ${option.long} has no effect\n`)
    })
  }
}

/** What docker's older builder did and BuildKit does not; docker hides these flags too. */
const withoutEffect = ['--compress', '--squash', '--isolation <technology>', '--security-opt <option>']

function offOnly(flag: string): (value: string) => void {
  return (value) => {
    if (value !== 'false') unsupported(flag, `write ${flag}=false or leave it out`)(value)
  }
}

/** `-q` is `--progress=quiet`, and contradicts every other mode that the command line names. */
function progressFrom(flags: Flags, isChosen: boolean): ProgressMode {
  const mode = oneOf(isChosen ? '--progress' : 'BUILDKIT_PROGRESS', flags.progress, progressModes)
  if (!flags.quiet) return mode
  if (isChosen && mode !== 'auto' && mode !== 'quiet') {
    throw new SlipwayError({
      code: 'ERR_FLAG_CONFLICT',
      message: `--progress=${mode} and --quiet cannot be used together`,
      hint: 'leave one of them out',
    })
  }
  return 'quiet'
}

async function runBuild(path: string, flags: Flags, progress: ProgressMode): Promise<number> {
  const asked = parseCall(flags.check ? 'check' : flags.call)
  const request = requestFrom(path, flags)
  if (asked !== undefined) return runCall(asked, request, flags, progress)
  requireRoot('build an image')
  const shell = wantsShell(flags.onError)
  const timeoutMs = buildTimeoutMs(flags)
  prepareResultFiles(flags)
  const epoch = request.buildArgs.SOURCE_DATE_EPOCH
  const session = await openSession({
    progress,
    explain: flags.explain === true,
    ...(flags.debug ? { logDirectory: join(stateRoot(), 'logs') } : {}),
    ...(epoch === undefined || epoch === '' ? {} : { epoch: wholeSeconds(epoch) }),
  })
  let report: BuildReport
  using time = timeoutMs === undefined ? undefined : await openDeadline(session.cx, timeoutMs)
  try {
    const { build } = await import('../../build.ts')
    report = await build(request, hostOptions(), time?.cx ?? session.cx)
  } catch (failure) {
    const thrown = firstFailure(failure)
    session.finish()
    const interruptedBy = session.interruptedBy()
    if (interruptedBy === undefined) {
      if (shell) await openFailedShell(thrown, request, session.cx)
      throw buildFailure(time?.error() ?? thrown)
    }
    process.stderr.write('ERROR: build interrupted\n')
    return interruptedBy
  }
  session.finish()
  if (report.failed) {
    const count = countErrors(report.diagnostics, report.dockerfile)
    process.stderr.write(`\nERROR: failed to build: ${count}\n`)
    return 1
  }
  writeResultFiles(flags, report)
  if (progress === 'quiet' && report.imageId) process.stdout.write(`${report.imageId}\n`)
  return 0
}

async function openDeadline(cx: Context, timeoutMs: number): Promise<Deadline> {
  const { deadline } = await import('../../app/limits.ts')
  return deadline(cx, timeoutMs)
}

async function runCall(
  asked: CallRequest,
  request: BuildRequest,
  flags: Flags,
  progress: ProgressMode,
): Promise<number> {
  const { metadataFile } = flags
  const files = metadataFile === undefined ? {} : { metadataFile }
  prepareResultFiles(files)
  // The answer is what was asked for; a live view of the little that happens would only flicker.
  const session = await openSession({ progress: progress === 'rawjson' ? progress : 'none' })
  let called: Called
  try {
    const { call } = await import('../../app/call/call.ts')
    called = await call(asked.method, request, hostOptions(), session.cx)
  } catch (thrown) {
    session.finish()
    const interruptedBy = session.interruptedBy()
    if (interruptedBy === undefined) throw buildFailure(thrown)
    process.stderr.write('ERROR: build interrupted\n')
    return interruptedBy
  }
  if (progress === 'rawjson') {
    const findings = called.answer?.method === 'lint' ? called.answer.findings : []
    const diagnostics = [...findings, ...called.errors]
    if (diagnostics.length > 0) session.cx.emit({ type: 'diagnostics', diagnostics, files: called.files })
  }
  session.finish()
  const { stdout, stderr, status, metadata } = printCalled(called, asked)
  process.stdout.write(stdout)
  if (progress !== 'rawjson') process.stderr.write(stderr)
  writeResultFiles(files, { metadata })
  return status
}

/** Everything that stops a build is reported under docker's heading. */
function buildFailure(failure: unknown): unknown {
  const thrown = firstFailure(failure)
  if (!(thrown instanceof SlipwayError) || thrown.code.startsWith('ERR_FLAG')) return thrown
  return new SlipwayError({
    ...thrown.toJSON(),
    message: `failed to build: ${thrown.message}`,
    cause: thrown,
  })
}

/** The request of a command line; what of it cannot be understood is thrown. */
export function requestFrom(path: string, flags: Flags): BuildRequest {
  const buildArgs = pairs('--build-arg', flags.buildArg, true)
  const epoch = process.env.SOURCE_DATE_EPOCH
  if (path === '') throw usageError('PATH', path, 'a directory, or - for standard input')
  const platforms = [...new Set(flags.platform)]
  if (platforms.length > 1) unsupported('--platform', 'build one platform at a time')(platforms.join(','))
  return {
    ...(path === '-' ? {} : { context: resolve(path) }),
    contextName: path,
    ...(!flags.file ? {} : { file: flags.file === '-' ? '-' : resolve(flags.file), fileName: flags.file }),
    stdin: () => process.stdin,
    tags: flags.tag ?? [],
    outputs: [...(flags.output ?? []), ...(flags.push ? ['type=registry'] : [])],
    outputsOnFailure: flags.outputOnFailure ?? [],
    cacheFrom: flags.cacheFrom ?? [],
    cacheTo: flags.cacheTo ?? [],
    ...(flags.target === undefined ? {} : { target: flags.target }),
    platforms,
    // As buildx does: an ARG of that name sees the environment's.
    buildArgs: epoch ? { SOURCE_DATE_EPOCH: epoch, ...buildArgs } : buildArgs,
    contexts: pairs('--build-context', flags.buildContext, false),
    labels: pairs('--label', flags.label, true),
    hosts: (flags.addHost ?? []).map(hostLine),
    agents: agentsFrom(path, flags),
    secrets: (flags.secret ?? []).map(secretFlag),
    allow: (flags.allow ?? []).map((name) => oneOf('--allow', name, entitlements)),
    noCache: flags.cache ? flags.cacheFilter : 'all',
    limits: limitsFrom(flags),
    pull: flags.pull === true,
    keepGoing: flags.keepGoing === true,
    stdoutIsTerminal: process.stdout.isTTY === true,
    ulimits: ulimits(flags.ulimit ?? []),
    ...networkFlag(flags.network ?? 'default'),
    ...(flags.shmSize === undefined ? {} : { shmSizeBytes: bytes('--shm-size', flags.shmSize) }),
    ...(flags.runtime === undefined ? {} : { runtime: runtimeFlag(flags.runtime) }),
    ...(flags.jobs === undefined ? {} : { jobs: positive('--jobs', flags.jobs) }),
  }
}

/** As buildx does: a context that is fetched over SSH may use the agent unasked. */
function agentsFrom(path: string, { ssh }: Flags): BuildRequest['agents'] {
  const isSsh = /^(?:ssh:\/\/|[\w-]+@[\w.-]+:)/.test(path)
  if (ssh === undefined && isSsh && process.env.SSH_AUTH_SOCK) return [sshFlag('default')]
  return (ssh ?? []).map(sshFlag)
}

const entitlements = ['network.host', 'security.insecure'] as const

/** `name=value` flags; a bare name takes its value from the environment, or is left out when it has none. */
function pairs(flag: string, list: readonly string[] | undefined, bare: boolean): Record<string, string> {
  const out: Record<string, string> = {}
  for (const text of list ?? []) {
    const at = text.indexOf('=')
    const name = at === -1 ? text : text.slice(0, at)
    if (name === '' || (at === -1 && !bare)) throw usageError(flag, text, 'name=value')
    const value = at === -1 ? (flag === '--label' ? '' : process.env[name]) : text.slice(at + 1)
    if (value !== undefined) out[name] = value
  }
  return out
}

function hostLine(text: string): { name: string; ip: string } {
  const match = /^([^:=]+)[:=]\[?([0-9a-fA-F.:]+|host-gateway)\]?$/.exec(text)
  if (!match?.[1] || !match[2]) throw usageError('--add-host', text, 'name:ip')
  return { name: match[1], ip: match[2] }
}

function bytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([bkmgt]?)b?$/i.exec(text)
  if (!match?.[1]) throw usageError(flag, text, 'a size such as 64m')
  return Math.floor(Number(match[1]) * 1024 ** 'bkmgt'.indexOf((match[2] || 'b').toLowerCase()))
}

function positive(flag: string, text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw usageError(flag, text, 'a number from 1')
  return Number(text)
}

function wholeSeconds(text: string): number {
  if (!/^[+-]?\d{1,12}$/.test(text)) throw usageError('SOURCE_DATE_EPOCH', text, 'whole seconds since 1970')
  return Number(text)
}
