// Limits of a build's steps, tried out once before anything is built and told how they are enforced.
import type { Context } from '../core/context.ts'
import { formatDuration } from '../core/duration.ts'
import { SlipwayError } from '../core/error.ts'
import type { BuildEvent } from '../core/event.ts'
import { cgroupFor } from '../sandbox/limited.ts'
import { controllersOf, describeResources, type Resources } from '../sandbox/resources.ts'
import type { Rlimit } from '../sandbox/types.ts'
import type { Host } from './host.ts'

export interface StepLimits {
  readonly resources: Resources
  /** A path from the root of every hierarchy of cgroups, without `/` at its ends. */
  readonly cgroupParent?: string
  readonly timeoutMs?: number
  /** In place of what cgroups cannot do here. */
  readonly rlimits?: readonly Rlimit[]
}

/** Where the native sandbox of a state directory notes its cgroups. */
export function cgroupNotes(directory: string): string {
  return `${directory}/cgroups`
}

/** Says how limits will be enforced, if there are any, and answers what steps have to be run with for that. Throws ERR_LIMIT_* when one cannot be enforced. */
export async function announceLimits(
  { directory, native }: Pick<Host, 'directory' | 'native'>,
  asked: StepLimits,
  cx: Context,
): Promise<StepLimits> {
  const { resources, cgroupParent } = asked
  if (cgroupParent === undefined && controllersOf(resources).length === 0) return asked
  const tell = (title: string): void => {
    cx.emit({ type: 'task-started', step: 'limits', title: `[internal] ${title}` })
    cx.emit({ type: 'task-finished', step: 'limits' })
  }
  const limits = describeResources(resources)
  try {
    const spec = { resources, ...(cgroupParent === undefined ? {} : { cgroupParent }) }
    await using cgroup = await cgroupFor(spec, { native, cgroupNotes: cgroupNotes(directory) })
    const place = cgroupParent === undefined ? cgroup.title : `${cgroup.title} below /${cgroupParent}`
    tell(limits === '' ? `run in ${place}` : `limit each RUN: ${limits} (${place})`)
    return asked
  } catch (thrown) {
    const without = withoutCgroup(asked)
    const isMissing = thrown instanceof SlipwayError && thrown.code === 'ERR_LIMIT_UNSUPPORTED'
    if (without === undefined || !isMissing) throw thrown
    tell(`limit each process of a RUN, not all together: ${limits} (rlimit; ${thrown.message})`)
    return without
  }
}

/** Memory alone can be limited otherwise: what each process has for itself. */
function withoutCgroup({ resources, cgroupParent, ...others }: StepLimits): StepLimits | undefined {
  const { memoryBytes, ...rest } = resources
  if (memoryBytes === undefined || cgroupParent !== undefined || Object.keys(rest).length > 0)
    return undefined
  const rlimits = [{ name: 'data', soft: memoryBytes, hard: memoryBytes }] as const
  return { ...others, resources: {}, rlimits }
}

/** A context whose signal is aborted when the time of the build is over; `error` then says so, its `data.logs` are those of the steps that ran. */
export interface Deadline extends Disposable {
  readonly cx: Context
  error(): SlipwayError | undefined
}

/** The caller's context with a deadline from now on. */
export function deadline(cx: Context, timeoutMs: number): Deadline {
  const controller = new AbortController()
  const message = `the time of the build (${formatDuration(timeoutMs)}) is over`
  const over = (more: Readonly<Record<string, unknown>> = {}): SlipwayError =>
    new SlipwayError({ code: 'ERR_BUILD_TIMEOUT', message, data: { timeoutMs, ...more } })
  const logs: string[] = []
  const emit = (event: BuildEvent): void => {
    if (event.type === 'log-kept') logs.push(event.path)
    cx.emit(event)
  }
  const timer = setTimeout(() => controller.abort(over()), timeoutMs)
  return {
    cx: { ...cx, emit, signal: AbortSignal.any([cx.signal, controller.signal]) },
    error: () => (controller.signal.aborted && !cx.signal.aborted ? over({ logs }) : undefined),
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}
