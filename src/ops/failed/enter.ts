// A process of the user's choice in the place where a step failed: the root file system as the step left it, its
// mounts, environment, user and directory. What it changes is thrown away.
import { posix } from 'node:path'
import type { Context } from '../../core/context.ts'
import type { Exit } from '../../sandbox/types.ts'
import { type ExecDependencies, limitsOf, processSpec, rootLayers } from '../exec.ts'
import { snapshotLayer } from '../layers.ts'
import { prepareMounts } from '../mounts/mounts.ts'
import type { FailedState } from './states.ts'

export interface EnterOptions {
  /** The command; empty for a shell. */
  readonly args: readonly string[]
  /** `NAME=value`, over the step's. */
  readonly env: readonly string[]
}

/** Runs the command with the caller's standard streams. Throws what the sandbox throws when it cannot be started. */
export async function enterFailedStep(
  dependencies: Omit<ExecDependencies, 'failures'>,
  { op, inputs, note, id }: Pick<FailedState, 'op' | 'inputs' | 'note' | 'id'>,
  { args, env }: EnterOptions,
  cx: Context,
): Promise<Exit> {
  const { snapshotter, layers, sandbox } = dependencies
  const parents = await layers.snapshots([...rootLayers(op, inputs), snapshotLayer(id, cx)], cx)
  await using active = await snapshotter.prepare(parents)
  const { parents: below, lower, upper, work } = active
  // What the step could not do without may be missing now: one looks at what is there.
  const lenient = {
    ...op,
    mounts: op.mounts.map((mount) => ('required' in mount ? { ...mount, required: false } : mount)),
  }
  await using prepared = await prepareMounts(dependencies, { op: lenient, inputs, below, work, cx })
  const spec = processSpec(op, note, { root: { lower, upper, work }, ...prepared })
  return await sandbox.run(
    {
      ...spec,
      args: args.length > 0 ? args : [shellOf(op.args)],
      env: withVariables(spec.env, env),
      ...limitsOf(dependencies, spec),
    },
    { output: () => undefined, stdio: 'inherit' },
    cx,
  )
}

const shells = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'mksh', 'fish'])

/** The shell that the step itself used: it is there. */
function shellOf([program = '']: readonly string[]): string {
  return shells.has(posix.basename(program)) ? program : '/bin/sh'
}

function withVariables(env: readonly string[], over: readonly string[]): string[] {
  const nameOf = (variable: string): string => variable.slice(0, variable.indexOf('='))
  const names = new Set(over.map(nameOf))
  return [...env.filter((variable) => !names.has(nameOf(variable))), ...over]
}
