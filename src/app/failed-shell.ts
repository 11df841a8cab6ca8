// `slipway shell` and `--on-error=shell`: a process in the place where the last step failed.
import type { Context } from '../core/context.ts'
import { enterFailedStep } from '../ops/failed/enter.ts'
import { noFailedState } from '../ops/failed/states.ts'
import type { Exit } from '../sandbox/types.ts'
import { openDrivers } from './drivers.ts'
import { hostFailedStates } from './failures.ts'
import { type HostOptions, openHost } from './host.ts'

export interface FailedShellRequest {
  /** A state that the caller knows of; absent: the newest. */
  readonly id?: string
  /** The command; empty for a shell. */
  readonly args: readonly string[]
  /** Whether standard input is a terminal: TERM is passed on. */
  readonly terminal: boolean
}

/** Runs the command with the caller's standard streams; what it changes is thrown away. Throws ERR_FAILED_STATE_MISSING. */
export async function runInFailedStep(
  { id, args, terminal }: FailedShellRequest,
  options: HostOptions,
  cx: Context,
): Promise<Exit> {
  await using host = await openHost(options, cx)
  const opened = await hostFailedStates(host).open(id)
  if (opened === undefined) throw noFailedState()
  await using _inUse = opened
  const { state } = opened
  const { resources = {}, cgroupParent, rlimits = [], ...others } = state.conditions ?? {}
  await using drivers = openDrivers(host, {
    directoryOf: (name) => state.directories[name],
    ...others,
    limits: { resources, ...(cgroupParent === undefined ? {} : { cgroupParent }), rlimits },
  })
  const env = terminal ? [`TERM=${options.environment.TERM ?? 'xterm'}`] : []
  return await enterFailedStep(drivers.exec, state, { args, env }, cx)
}
