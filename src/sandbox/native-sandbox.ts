// The build container that slipway brings itself: `slipway-helper run`, one short-lived process a step.
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import type { Absences } from '../snapshot/merged-tree.ts'
import type { HelperProcess, StatusLine } from '../sys/helper-process.ts'
import { dropVolatileMark } from '../sys/overlay-steps.ts'
import type { Cgroup } from './cgroup/open.ts'
import { checkUserFiles, type ImageUser } from './image-user.ts'
import { type LimitOptions, limiter } from './limited.ts'
import { networkFiles } from './network-files.ts'
import { type PreparedRoot, prepareRoot, workPlaces } from './prepare-root.ts'
import { encodeRunRequest, type RunRequestOptions, type RuntimeCommands } from './run-request.ts'
import { sandboxError } from './sandbox-error.ts'
import { type SpareHelpers, startHelper } from './spare-helper.ts'
import type { Exit, ProcessIo, ProcessSpec, Sandbox } from './types.ts'

export interface NativeSandboxOptions extends LimitOptions {
  /** How long a canceled process may take to end by itself after SIGTERM; 1 s if absent. */
  readonly graceMs?: number
  /** Helpers of processes to come; without it each is started when it is needed. */
  readonly spares?: SpareHelpers
  /** What earlier processes found missing in the layers below theirs, which stay as they are. */
  readonly absences?: Absences
}

/** A sandbox of Linux namespaces made by the native helper. Needs root (or CAP_SYS_ADMIN) and Linux 5.12. */
export function nativeSandbox(options: NativeSandboxOptions): Sandbox {
  const limited = limiter(options)
  const written = new Map<string, Buffer>()
  return {
    async run(spec, io, cx) {
      cx.signal.throwIfAborted()
      const mounts = [...networkFiles(spec), ...spec.mounts]
      return await limited(spec, (cgroup) =>
        runHelper({ ...spec, mounts }, io, { ...options, cx, cgroup, written }),
      )
    },
  }
}

export interface HelperRun extends NativeSandboxOptions {
  readonly cx: Context
  /** An OCI runtime that is to make the container. */
  readonly runtime?: RuntimeUse
  /** As in RunRequestOptions: of processes of the same sandbox. */
  readonly written?: Map<string, Buffer>
  /** Where the process runs. */
  readonly cgroup?: Cgroup | undefined
}

export interface RuntimeUse {
  readonly commands: Omit<RuntimeCommands, 'config'>
  /** The text of config.json. */
  config(user: ImageUser): string
  /** The step's process is about to run: from here on output is its own. */
  onStarted(): void
}

/** One process in a container, by the helper; what ProcessSpec and Sandbox promise. `spec.mounts` are all there will be. */
export async function runHelper(spec: ProcessSpec, io: ProcessIo, run: HelperRun): Promise<Exit> {
  const stdio = io.stdio ?? 'pipe'
  // Before anything runs: what cannot be encoded must leave no helper behind that waits for it.
  const prepared = prepareRoot(spec, run.native, run.absences)
  const cgroups = run.cgroup?.paths ?? []
  const namespace = run.native.userNamespace()
  const options = {
    ...{ stdio, cgroups, namespace, prepared },
    ...(run.written === undefined ? {} : { written: run.written }),
    ...(await requestOptions(spec, prepared, run)),
  }
  const request = encodeRunRequest(spec, options)
  const startedMs = performance.now()
  let exit: Exit | undefined
  const ready = stdio === 'pipe' ? run.spares?.take() : undefined
  const { helper, killed, listen } = ready ?? startHelper(run.native, stdio)
  listen((line) => {
    exit = exitOf(line, performance.now() - startedMs) ?? exit
    if (line.started !== true) return
    run.runtime?.onStarted()
    // Everything is mounted, and while the step runs nobody waits for this.
    dropVolatileMark(workPlaces(spec.root.work).overlay)
  })
  const stopCanceling = cancelWith(run, helper, killed)
  try {
    const drained = stdio === 'pipe' ? forwardOutput(helper, io, run.cx.signal) : Promise.resolve()
    helper.request.end(request)
    run.spares?.prepare()
    const [end] = await Promise.all([helper.ended, drained])
    run.cx.signal.throwIfAborted()
    const outOfMemory = (run.cgroup?.oomKills() ?? 0) > 0
    if (exit === undefined || end.code !== 0) {
      // The kernel may have chosen process 1, and everything went with it.
      if (outOfMemory && end.failure?.kind === 'killed') return { code: 137, signal: 9, outOfMemory }
      throw sandboxError(end, namespace)
    }
    const { uid, gid } = prepared.user
    if (namespace.recordsOwners && (uid !== 0 || gid !== 0)) {
      const { adoptNewFiles } = await import('./adopt.ts')
      await adoptNewFiles(spec.root.upper, prepared.user, { native: run.native, signal: run.cx.signal })
    }
    return { ...inCgroup(exit, run.cgroup), ...(outOfMemory ? { outOfMemory } : {}) }
  } finally {
    stopCanceling()
  }
}

async function requestOptions(
  spec: ProcessSpec,
  { tree, user }: PreparedRoot,
  { runtime, native }: HelperRun,
): Promise<Pick<RunRequestOptions, 'runtime' | 'filter'>> {
  if (runtime !== undefined) {
    if (native.userNamespace().recordsOwners) throw oneIdOnly()
    checkUserFiles(tree)
    return { runtime: { ...runtime.commands, config: runtime.config(user) } }
  }
  if (spec.security === 'insecure') return {}
  const { stepFilter } = await import('./seccomp/step-filter.ts')
  return { filter: stepFilter }
}

function oneIdOnly(): SlipwayError {
  return new SlipwayError({
    code: 'ERR_SANDBOX_UNSUPPORTED',
    message: "start the runtime: with a single id only slipway's own sandbox can",
    hint: 'add ranges to /etc/subuid and /etc/subgid',
  })
}

/** How long the helper may take to clear up after it was told that time is up. */
const clearUpMs = 10_000

/**
 * SIGTERM goes on to the process. SIGXCPU makes the helper kill everything inside and wait for its end; killing the
 * helper itself would do the same, but nobody would know when.
 */
function cancelWith(run: HelperRun, helper: HelperProcess, killed: AbortController): () => void {
  const { signal } = run.cx
  const timers: NodeJS.Timeout[] = []
  const after = (milliseconds: number, act: () => void): void => {
    timers.push(setTimeout(act, milliseconds))
  }
  const graceMs = run.graceMs ?? 1000
  const cancel = (): void => {
    helper.child.kill('SIGTERM')
    after(graceMs, () => helper.child.kill('SIGXCPU'))
    after(graceMs + clearUpMs, () => killed.abort())
  }
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  return () => {
    for (const timer of timers) clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
  }
}

/** Resolves when both streams are at their end; never when the helper could not be started, which `ended` tells. */
async function forwardOutput({ child }: HelperProcess, io: ProcessIo, signal: AbortSignal): Promise<void> {
  const closed: Promise<void>[] = []
  for (const stream of ['stdout', 'stderr'] as const) {
    const readable = child[stream]
    // One that was started ahead may be dead and done with: what has closed will not close again.
    if (readable === null || readable.closed) continue
    readable.on('data', (chunk: Buffer) => {
      io.output(stream, chunk)
      const drained = signal.aborted ? undefined : io.drained?.()
      if (drained === undefined) return
      readable.pause()
      void drained.finally(() => readable.resume())
    })
    closed.push(
      new Promise((resolve, reject) => {
        readable.once('close', resolve)
        readable.once('error', reject)
      }),
    )
  }
  await Promise.all(closed)
}

function exitOf(line: StatusLine, wallMs: number): Exit | undefined {
  const exit = line.exit as Readonly<Record<string, number | undefined>> | undefined
  if (exit?.code === undefined) return undefined
  const { code, signal, user_us: user, system_us: system, max_rss_kib: rss } = exit
  return {
    code,
    ...(signal === undefined ? {} : { signal }),
    ...(user === undefined || system === undefined || rss === undefined
      ? {}
      : { usage: { wallMs, cpuMs: (user + system) / 1000, peakMemoryBytes: rss * 1024 } }),
  }
}

/** The cgroup knows what all processes had together. */
function inCgroup(exit: Exit, cgroup: Cgroup | undefined): Exit {
  const peakMemoryBytes = cgroup?.peakMemoryBytes()
  if (exit.usage === undefined || peakMemoryBytes === undefined) return exit
  return { ...exit, usage: { ...exit.usage, peakMemoryBytes } }
}
