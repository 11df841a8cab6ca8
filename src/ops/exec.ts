// The driver of RUN: a process on a writable layer over its root file system. What the process may see and
// do is the sandbox's business; how layers come into being is the snapshotter's.
import { StringDecoder } from 'node:string_decoder'
import { digestOfJson } from '../core/canonical-json.ts'
import type { Context } from '../core/context.ts'
import { formatDuration } from '../core/duration.ts'
import { invariant, SlipwayError } from '../core/error.ts'
import type { StepId } from '../core/event.ts'
import type { Platform } from '../core/platform.ts'
import type { OpNote, OpOf } from '../graph/op.ts'
import { explainForeign } from '../sandbox/emulation.ts'
import { formatMemory, type Resources } from '../sandbox/resources.ts'
import type { Exit, ProcessSpec, Rlimit, Sandbox } from '../sandbox/types.ts'
import type { Snapshotter } from '../snapshot/types.ts'
import type { LayerRef, OpDriver, Result } from '../solve/types.ts'
import { listAll } from './copy/list-all.ts'
import { openStepLog, type StepLog } from './failed/step-log.ts'
import type { FailureKeeper } from './failed/types.ts'
import { snapshotLayer } from './layers.ts'
import { openMask } from './mask.ts'
import { mountedContent } from './mounts/content.ts'
import { type MountDependencies, prepareMounts } from './mounts/mounts.ts'
import { copyOf, sourcesOf } from './mounts/source.ts'

export interface ExecDependencies extends MountDependencies {
  readonly snapshotter: Pick<Snapshotter, 'prepare'>
  readonly sandbox: Sandbox
  /** This machine's, to tell a foreign program from a broken one. */
  readonly host: Platform
  /** Size of /dev/shm of every process; part of no key. */
  readonly shmSizeBytes?: number
  /** Limits for the processes of each step, and how long one may run; part of no key. */
  readonly resources?: Resources
  readonly cgroupParent?: string
  readonly rlimits?: readonly Rlimit[]
  readonly timeoutMs?: number
  /** What becomes of steps that fail; without it nothing is kept of them. */
  readonly failures?: FailureKeeper
}

/** The driver of exec ops; the result is the root's layers and one new layer. Throws ERR_PROCESS_EXIT (data.exitCode). */
export function execDriver(dependencies: ExecDependencies): OpDriver<OpOf<'exec'>> {
  const { snapshotter, layers, failures } = dependencies
  // What one step was given a later one may find where that one has put it.
  const secrets = new Set<Buffer>()
  return {
    contentOf: (op, index, input, cx) => mountedContent(dependencies.sources, op, index, input, cx),
    filesOf: async (op, index, input, cx) => {
      const actions = sourcesOf(op, index).map((path) => copyOf(path, 0))
      return listAll(await dependencies.sources(input, cx), actions, cx)
    },
    async run(op, inputs, note, cx) {
      const root = rootLayers(op, inputs)
      const parents = await layers.snapshots(root, cx)
      await using active = await snapshotter.prepare(parents)
      const { parents: below, lower, upper, work } = active
      await using prepared = await prepareMounts(dependencies, { op, inputs, below, work, cx })
      for (const value of prepared.secrets) secrets.add(value)
      using log = openStepLog(`${work}/log`)
      const output = openOutput({ step: digestOfJson(op), secrets, log }, cx)
      for (const warning of prepared.warnings) output.warn(warning)
      const process = processSpec(op, note, { root: { lower, upper, work }, ...prepared })
      const spec = { ...process, ...limitsOf(dependencies, process) }
      const running = runStep(dependencies, { op, spec, platform: note.platform, output }, cx)
      const error = await running.catch(async (thrown: unknown) => {
        // The step did nothing wrong, but what it was about when time was up is what one wants to know.
        if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_BUILD_TIMEOUT') throw thrown
        const path = await failures?.keepLog({ op, note, log }, cx)
        if (path !== undefined) cx.emit({ type: 'log-kept', step: digestOfJson(op), path })
        throw thrown
      })
      if (error !== undefined) {
        const kept = await failures?.keep({ op, inputs, note, active, log, error }, cx)
        throw kept === undefined ? error : withData(error, kept)
      }
      return [...root, snapshotLayer(await active.commit(), cx)]
    },
  }
}

/** What holds for the processes of all steps, but for what the user wrote for this one. */
export function limitsOf(
  { shmSizeBytes, resources, cgroupParent, rlimits = [] }: ExecDependencies,
  { rlimits: own = [] }: ProcessSpec,
): Partial<ProcessSpec> {
  const added = rlimits.filter(({ name }) => !own.some((limit) => limit.name === name))
  return {
    ...(shmSizeBytes === undefined ? {} : { shmSizeBytes }),
    ...(resources === undefined ? {} : { resources }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    ...(added.length === 0 ? {} : { rlimits: [...own, ...added] }),
  }
}

interface StepRun {
  /** What the note says. */
  readonly platform: OpNote['platform']
  readonly op: OpOf<'exec'>
  readonly spec: ProcessSpec
  readonly output: StepOutput
}

/** Runs the process to its end; how it failed, unless it did not. Throws when that is not the step's fault. */
async function runStep(
  { sandbox, host, timeoutMs }: ExecDependencies,
  { op, spec, platform, output }: StepRun,
  cx: Context,
): Promise<SlipwayError | undefined> {
  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)
  const signal = timeout === undefined ? cx.signal : AbortSignal.any([cx.signal, timeout])
  const io = { output: output.write, drained: () => cx.drained?.(), stdio: 'pipe' } as const
  try {
    const exit = await sandbox.run(spec, io, { ...cx, signal }).finally(output.end)
    cx.signal.throwIfAborted()
    const step = digestOfJson(op)
    if (exit.usage !== undefined) cx.emit({ type: 'usage', step, ...exit.usage })
    if (exit.code !== 0) return exitError(spec, exit)
    // The step may have taken no notice of it, its reader should.
    if (exit.outOfMemory === true) {
      const text = `[slipway] a process of this step was killed: ${outOfMemory(spec)}\n`
      cx.emit({ type: 'log', step, stream: 'stderr', text })
    }
    return undefined
  } catch (thrown) {
    cx.signal.throwIfAborted()
    if (timeout?.aborted !== true) throw explainForeign(thrown, platform ?? host, host)
    return timeoutError(spec, timeoutMs ?? 0)
  }
}

/** The layers of the root file system that an op starts on. */
export function rootLayers(op: OpOf<'exec'>, inputs: readonly Result[]): readonly LayerRef[] {
  return op.root === null ? [] : (inputs[op.root]?.layers ?? missingRoot())
}

function missingRoot(): never {
  invariant(false, 'an exec op names a root that is not among its inputs')
}

/** The process an op describes. A variable of a mount wins over one of the op, and that over one that only reaches the process. */
export function processSpec(
  op: OpOf<'exec'>,
  note: Pick<OpNote, 'unkeyed'>,
  { root, mounts, env }: Pick<ProcessSpec, 'root' | 'mounts' | 'env'>,
): ProcessSpec {
  return {
    root,
    args: op.args,
    env: mergeEnv(env, op.env, note.unkeyed?.env ?? []),
    cwd: op.cwd,
    user: op.user,
    hostname: op.hostname,
    network: op.network,
    security: op.security,
    mounts,
    hosts: note.unkeyed?.hosts ?? [],
    ...(op.ulimits === undefined ? {} : { rlimits: op.ulimits }),
  }
}

/** `over` last; of the others the earlier wins. */
function mergeEnv(over: readonly string[], env: readonly string[], under: readonly string[]): string[] {
  const names = new Set(over.map(nameOf))
  const kept = env.filter((variable) => !names.has(nameOf(variable)))
  for (const variable of kept) names.add(nameOf(variable))
  return [...kept, ...under.filter((variable) => !names.has(nameOf(variable))), ...over]
}

function nameOf(variable: string): string {
  const equals = variable.indexOf('=')
  return equals === -1 ? variable : variable.slice(0, equals)
}

interface StepOutput {
  write(stream: 'stdout' | 'stderr', chunk: Buffer): void
  /** Something slipway has to say about the step. */
  warn(text: string): void
  end(): void
}

interface OutputOptions {
  readonly step: StepId
  readonly secrets: Iterable<Buffer>
  readonly log: StepLog
}

/** Turns chunks into `log` events and the step's log, without the values of secrets; a character split between two chunks of a stream is kept whole. */
function openOutput({ step, secrets, log }: OutputOptions, cx: Context): StepOutput {
  const open = () => ({ mask: openMask(secrets), decoder: new StringDecoder('utf8') })
  const streams = { stdout: open(), stderr: open() }
  const emit = (stream: 'stdout' | 'stderr', text: string): void => {
    if (text === '') return
    cx.emit({ type: 'log', step, stream, text })
    log.write(text)
  }
  return {
    write(stream, chunk) {
      const { mask, decoder } = streams[stream]
      emit(stream, decoder.write(mask.write(chunk)))
    },
    warn: (text) => emit('stderr', `warning: ${text}\n`),
    end() {
      for (const stream of ['stdout', 'stderr'] as const) {
        const { mask, decoder } = streams[stream]
        emit(stream, decoder.write(mask.end()) + decoder.end())
      }
    },
  }
}

/** JSON's quoting keeps the message on one line, as Go's %q does in BuildKit's text. */
function unsuccessful({ args }: ProcessSpec): string {
  return `process ${JSON.stringify(args.join(' '))} did not complete successfully`
}

function timeoutError(spec: ProcessSpec, timeoutMs: number): SlipwayError {
  return new SlipwayError({
    code: 'ERR_STEP_TIMEOUT',
    message: `${unsuccessful(spec)}: it was ended when the time of a step (${formatDuration(timeoutMs)}) was over`,
    data: { timeoutMs },
  })
}

function outOfMemory({ resources }: ProcessSpec): string {
  return `out of memory (limit ${formatMemory(resources?.memoryBytes ?? 0)})`
}

function exitError(spec: ProcessSpec, exit: Exit): SlipwayError {
  const failure = `${unsuccessful(spec)}: exit code: ${exit.code}`
  if (exit.outOfMemory === true) {
    return new SlipwayError({
      code: 'ERR_PROCESS_OOM',
      message: `${failure}: the step was killed: ${outOfMemory(spec)}`,
      hint: 'raise --memory',
      data: { exitCode: exit.code, limitBytes: spec.resources?.memoryBytes },
    })
  }
  return new SlipwayError({
    code: 'ERR_PROCESS_EXIT',
    message: failure,
    data: {
      exitCode: exit.code,
      ...(exit.signal === undefined ? {} : { signal: exit.signal }),
    },
  })
}

function withData(error: SlipwayError, data: Readonly<Record<string, unknown>>): SlipwayError {
  return new SlipwayError({ ...error.toJSON(), data: { ...error.data, ...data }, cause: error.cause })
}
