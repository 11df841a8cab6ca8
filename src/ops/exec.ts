// The driver of RUN: a process on a writable layer over its root file system. What the process may see and
// do is the sandbox's business; how layers come into being is the snapshotter's.
import { StringDecoder } from 'node:string_decoder'
import { digestOfJson } from '../core/canonical-json.ts'
import type { Context } from '../core/context.ts'
import { invariant, SlipwayError } from '../core/error.ts'
import type { StepId } from '../core/event.ts'
import type { ExecMount, OpNote, OpOf } from '../graph/op.ts'
import type { Exit, Mount, ProcessSpec, RootFs, Sandbox } from '../sandbox/types.ts'
import type { Snapshotter } from '../snapshot/types.ts'
import type { LayerRef, OpDriver, Result } from '../solve/types.ts'
import { openStepLog, type StepLog } from './failed/step-log.ts'
import type { FailureKeeper } from './failed/types.ts'
import { type LayerSource, snapshotLayer } from './layers.ts'

export interface ExecDependencies {
  readonly snapshotter: Pick<Snapshotter, 'prepare'>
  readonly layers: LayerSource
  readonly sandbox: Sandbox
  /** Size of /dev/shm of every process; part of no key. */
  readonly shmSizeBytes?: number
  /** What becomes of steps that fail; without it nothing is kept of them. */
  readonly failures?: FailureKeeper
}

/** The driver of exec ops; the result is the root's layers and one new layer. Throws ERR_PROCESS_EXIT (data.exitCode). */
export function execDriver(dependencies: ExecDependencies): OpDriver<OpOf<'exec'>> {
  const { snapshotter, layers, sandbox, shmSizeBytes, failures } = dependencies
  const limits = shmSizeBytes === undefined ? {} : { shmSizeBytes }
  return {
    async run(op, inputs, note, cx) {
      const root = rootLayers(op, inputs)
      const parents = await layers.snapshots(root, cx)
      await using active = await snapshotter.prepare(parents)
      const { lower, upper, work } = active
      using log = openStepLog(`${work}/log`)
      const output = decodeOutput(digestOfJson(op), cx, log)
      const exit = await sandbox.run(
        { ...processSpec(op, note, { lower, upper, work }), ...limits },
        { output: output.write, drained: () => cx.drained?.(), stdio: 'pipe' },
        cx,
      )
      output.end()
      cx.signal.throwIfAborted()
      if (exit.code !== 0) {
        const error = exitError(op, exit)
        const kept = await failures?.keep({ op, inputs, note, active, log, error }, cx)
        throw kept === undefined ? error : withData(error, kept)
      }
      return [...root, snapshotLayer(await active.commit(), cx)]
    },
  }
}

/** The layers of the root file system that an op starts on. */
export function rootLayers(op: OpOf<'exec'>, inputs: readonly Result[]): readonly LayerRef[] {
  return op.root === null ? [] : (inputs[op.root]?.layers ?? missingRoot())
}

function missingRoot(): never {
  invariant(false, 'an exec op names a root that is not among its inputs')
}

/** The process an op describes. A variable of the op wins over one that only reaches the process. */
export function processSpec(op: OpOf<'exec'>, note: Pick<OpNote, 'unkeyed'>, root: RootFs): ProcessSpec {
  const keyed = new Set(op.env.map(nameOf))
  const unkeyed = (note.unkeyed?.env ?? []).filter((variable) => !keyed.has(nameOf(variable)))
  return {
    root,
    args: op.args,
    env: [...op.env, ...unkeyed],
    cwd: op.cwd,
    user: op.user,
    hostname: op.hostname,
    network: op.network,
    security: op.security,
    mounts: op.mounts.map(sandboxMount),
    hosts: note.unkeyed?.hosts ?? [],
    ...(op.ulimits === undefined ? {} : { rlimits: op.ulimits }),
  }
}

/** Only scripts can be mounted so far; a plan with other mounts is refused before it comes here. */
function sandboxMount(mount: ExecMount): Mount {
  if (mount.kind === 'file') return mount
  throw new SlipwayError({
    code: 'ERR_MOUNT_UNSUPPORTED',
    message: `run a step with a ${mount.kind} mount: not supported yet`,
  })
}

function nameOf(variable: string): string {
  const equals = variable.indexOf('=')
  return equals === -1 ? variable : variable.slice(0, equals)
}

/** Turns chunks into `log` events and the step's log; a character split between two chunks of a stream is kept whole. */
function decodeOutput(
  step: StepId,
  cx: Context,
  log: StepLog,
): { write(stream: 'stdout' | 'stderr', chunk: Buffer): void; end(): void } {
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') }
  const emit = (stream: 'stdout' | 'stderr', text: string): void => {
    if (text === '') return
    cx.emit({ type: 'log', step, stream, text })
    log.write(text)
  }
  return {
    write: (stream, chunk) => emit(stream, decoders[stream].write(chunk)),
    end() {
      for (const stream of ['stdout', 'stderr'] as const) emit(stream, decoders[stream].end())
    },
  }
}

function exitError(op: OpOf<'exec'>, exit: Exit): SlipwayError {
  // JSON's quoting keeps the message on one line, as Go's %q does in BuildKit's text.
  const process = JSON.stringify(op.args.join(' '))
  return new SlipwayError({
    code: 'ERR_PROCESS_EXIT',
    message: `process ${process} did not complete successfully: exit code: ${exit.code}`,
    data: {
      exitCode: exit.code,
      ...(exit.signal === undefined ? {} : { signal: exit.signal }),
    },
  })
}

function withData(error: SlipwayError, data: Readonly<Record<string, unknown>>): SlipwayError {
  return new SlipwayError({ ...error.toJSON(), data: { ...error.data, ...data }, cause: error.cause })
}
