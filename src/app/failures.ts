// What stays in the state directory of a step that fails: its log, and the state it left for `slipway shell`; and
// what the user asked to have saved of it.
import { join } from 'node:path'
import { digestOfJson } from '../core/canonical-json.ts'
import { type Context, task } from '../core/context.ts'
import { errnoOf, errorJson, redact, SlipwayError } from '../core/error.ts'
import type { FailureOutput } from '../export/failure-output.ts'
import { treeExporter } from '../export/tree.ts'
import type { OpOf } from '../graph/op.ts'
import { keptLogs } from '../ops/failed/kept-logs.ts'
import {
  type FailedState,
  type FailedStates,
  failedStates,
  type StepConditions,
} from '../ops/failed/states.ts'
import type { FailedStep, FailureKeeper } from '../ops/failed/types.ts'
import type { Result } from '../solve/types.ts'
import type { Host } from './host.ts'

type FailureHost = Pick<Host, 'directory' | 'native' | 'snapshotter'>

/** What is known about a build when one of its steps fails. */
export interface FailureOptions {
  /** Names the build: a success of the same ends what is kept. */
  readonly build: string
  directoryOf(name: string): string | undefined
  readonly conditions: StepConditions
  /** `--output-on-failure`. */
  readonly outputs: readonly FailureOutput[]
}

/** The failed states of a host's state directory. */
export function hostFailedStates({ directory, native, snapshotter }: FailureHost): FailedStates {
  return failedStates(join(directory, 'failed'), { native, snapshotter })
}

/** Keeps log and state of each failed step and saves what was asked for. Of its error `data.log` is the log's path, `data.failed` the state's id. */
export function keepFailures(host: FailureHost, options: FailureOptions): FailureKeeper {
  const logs = keptLogs(join(host.directory, 'logs'))
  const states = hostFailedStates(host)
  const keepLog: FailureKeeper['keepLog'] = ({ op, log, note }, cx) =>
    attempt('keep its whole log', { op, cx }, async () => logs.keep(log, note.slot))
  return {
    keepLog,
    async keep(failed, cx) {
      const log = await keepLog(failed, cx)
      const { op, active } = failed
      const state = await attempt('keep what it left', { op, cx }, () =>
        states.keep(stateOf(failed, options), active),
      )
      if (state !== undefined) {
        await attempt('remove what earlier ones left', { op, cx }, () => states.forgetOthers(state))
        const directories = [...active.parents, host.snapshotter.path(state)]
        for (const output of options.outputs) await save(host, output, directories, cx)
      }
      return {
        ...(log === undefined ? {} : { log }),
        ...(state === undefined ? {} : { failed: state }),
      }
    },
  }
}

/** Removes what is kept of failures of a build that has succeeded. What cannot be removed is no failure of it. */
export async function forgetFailures(host: FailureHost, build: string, cx: Context): Promise<void> {
  try {
    await hostFailedStates(host).forget(build)
  } catch (thrown) {
    if (!isOfTheWorld(thrown)) throw thrown
    cx.debug('forget failures of earlier builds', { error: errorJson(thrown) })
  }
}

interface Told {
  readonly op: OpOf<'exec'>
  readonly cx: Context
}

/** What cannot be kept of a step is not the failure that the user has to act on, but is told where the step's output is. */
async function attempt<T>(what: string, { op, cx }: Told, act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (thrown) {
    if (!isOfTheWorld(thrown)) throw thrown
    const text = `[slipway] warning: cannot ${what}: ${errorJson(thrown).message}\n`
    cx.emit({ type: 'log', step: digestOfJson(op), stream: 'stderr', text })
    return undefined
  }
}

function isOfTheWorld(thrown: unknown): boolean {
  return errnoOf(thrown) !== undefined || thrown instanceof SlipwayError
}

/** The progress views tell how it went. */
async function save(
  { native }: FailureHost,
  output: FailureOutput,
  directories: readonly string[],
  cx: Context,
): Promise<void> {
  const title = `saving ${output.path} of the failed step to ${output.dest}`
  const saving = task(cx, `failure:${output.dest}:${output.path}`, title, () =>
    treeExporter(output, { native, stdout: process.stdout }).export(directories, cx),
  )
  await saving.catch((thrown: unknown) => {
    if (!(thrown instanceof SlipwayError)) throw thrown
  })
}

function stateOf(
  { op, inputs, note, error }: FailedStep,
  { build, directoryOf, conditions }: FailureOptions,
): Omit<FailedState, 'version' | 'id'> {
  const { slot, label, title, unkeyed } = note
  return {
    build,
    message: error.message,
    op,
    inputs,
    note: {
      slot,
      label,
      title,
      ...(unkeyed === undefined ? {} : { unkeyed: { ...unkeyed, env: withoutCredentials(unkeyed.env) } }),
    },
    directories: Object.fromEntries(
      namesOf(inputs).flatMap((name) => {
        const path = directoryOf(name)
        return path === undefined ? [] : [[name, path]]
      }),
    ),
    conditions,
  }
}

/** Proxies may be named with a password, which is not written down. */
function withoutCredentials(env: readonly string[] = []): string[] {
  return env.filter((variable) => redact(variable) === variable)
}

/** The local directories among the inputs. */
function namesOf(inputs: readonly Result[]): string[] {
  return inputs.flatMap(({ layers }) =>
    layers.flatMap((layer) => (layer.kind === 'directory' ? [layer.name] : [])),
  )
}
