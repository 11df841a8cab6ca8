// Processes with limits: each in a cgroup of its own, made before it runs and removed when it has ended.
import { invariant } from '../core/error.ts'
import type { Native } from '../sys/native.ts'
import { type Cgroup, openCgroup, sweepCgroups } from './cgroup/open.ts'
import { controllersOf } from './resources.ts'
import type { ProcessSpec } from './types.ts'

export interface LimitOptions {
  readonly native: Native
  /** Where it is noted which cgroups were made, to remove those of processes that died; without it a limit is an error. */
  readonly cgroupNotes?: string
}

type Limits = Pick<ProcessSpec, 'resources' | 'cgroupParent'>

/** Whether a process needs a cgroup. */
export function isLimited({ resources = {}, cgroupParent }: Limits): boolean {
  return cgroupParent !== undefined || controllersOf(resources).length > 0
}

/** The cgroup that a process with these limits runs in. Throws ERR_LIMIT_*. */
export async function cgroupFor(
  { resources = {}, cgroupParent }: Limits,
  { native, cgroupNotes }: LimitOptions,
): Promise<Cgroup> {
  invariant(
    cgroupNotes !== undefined,
    'a limit was asked of a sandbox that has no place for notes on cgroups',
  )
  return await openCgroup({
    native,
    directory: cgroupNotes,
    resources,
    ...(cgroupParent === undefined ? {} : { parent: cgroupParent }),
  })
}

/** Runs `act` with the cgroup that a process of these limits needs, if it needs one. What killed processes left is removed at the first time. */
export function limiter({ native, cgroupNotes }: LimitOptions) {
  let swept: Promise<void> | undefined
  return async <T>(limits: Limits, act: (cgroup: Cgroup | undefined) => Promise<T>): Promise<T> => {
    if (cgroupNotes !== undefined) swept ??= sweepCgroups(cgroupNotes, native)
    await swept
    if (!isLimited(limits)) return await act(undefined)
    const options = { native, ...(cgroupNotes === undefined ? {} : { cgroupNotes }) }
    await using cgroup = await cgroupFor(limits, options)
    return await act(cgroup)
  }
}
