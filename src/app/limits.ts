// Limits of a build's steps, tried out once before anything is built and told how they are enforced.
import type { Context } from '../core/context.ts'
import { formatDuration } from '../core/duration.ts'
import { SlipwayError } from '../core/error.ts'
import { cgroupFor } from '../sandbox/limited.ts'
import { controllersOf, describeResources, type Resources } from '../sandbox/resources.ts'
import type { Host } from './host.ts'

export interface StepLimits {
  readonly resources: Resources
  /** A path from the root of every hierarchy of cgroups, without `/` at its ends. */
  readonly cgroupParent?: string
  readonly timeoutMs?: number
}

/** Where the native sandbox of a state directory notes its cgroups. */
export function cgroupNotes(directory: string): string {
  return `${directory}/cgroups`
}

/** Says how limits will be enforced, if there are any. Throws ERR_LIMIT_* when one cannot be. */
export async function announceLimits(
  { directory, native }: Pick<Host, 'directory' | 'native'>,
  { resources, cgroupParent }: StepLimits,
  cx: Context,
): Promise<void> {
  if (cgroupParent === undefined && controllersOf(resources).length === 0) return
  const spec = { resources, ...(cgroupParent === undefined ? {} : { cgroupParent }) }
  await using cgroup = await cgroupFor(spec, { native, cgroupNotes: cgroupNotes(directory) })
  const limits = describeResources(resources)
  const place = cgroupParent === undefined ? cgroup.title : `${cgroup.title} below /${cgroupParent}`
  const title = limits === '' ? `run in ${place}` : `limit each RUN: ${limits} (${place})`
  cx.emit({ type: 'task-started', step: 'limits', title: `[internal] ${title}` })
  cx.emit({ type: 'task-finished', step: 'limits' })
}

/** A context whose signal is aborted when the time of the build is over; `error` then says so. */
export interface Deadline extends Disposable {
  readonly cx: Context
  error(): SlipwayError | undefined
}

/** The caller's context with a deadline from now on. */
export function deadline(cx: Context, timeoutMs: number): Deadline {
  const controller = new AbortController()
  const message = `the time of the build (${formatDuration(timeoutMs)}) is over`
  const over = new SlipwayError({ code: 'ERR_BUILD_TIMEOUT', message, data: { timeoutMs } })
  const timer = setTimeout(() => controller.abort(over), timeoutMs)
  return {
    cx: { ...cx, signal: AbortSignal.any([cx.signal, controller.signal]) },
    error: () => (controller.signal.aborted && !cx.signal.aborted ? over : undefined),
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}
