// What the steps of a build used, as its metadata file tells it.
import type { Context } from '../core/context.ts'
import type { BuildEvent, StepId, StepInfo } from '../core/event.ts'

type Usage = Extract<BuildEvent, { readonly type: 'usage' }>

export interface UsageWatch {
  /** The caller's context, for the steps that are watched. */
  readonly cx: Context
  /** A key for the metadata file, with the steps that ran in the order of the build; none when all were cached. */
  metadata(steps: readonly StepInfo[]): Readonly<Record<string, unknown>>
}

/** Hears what each step used, from now on. */
export function watchUsage(cx: Context): UsageWatch {
  const used = new Map<StepId, Usage>()
  return {
    cx: {
      ...cx,
      emit(event) {
        if (event.type === 'usage') used.set(event.step, event)
        cx.emit(event)
      },
    },
    metadata(steps) {
      const ran = steps.flatMap(({ step, label, title }) => {
        const usage = used.get(step)
        if (usage === undefined) return []
        const { wallMs, cpuMs, peakMemoryBytes } = usage
        return [
          {
            step,
            name: `${label} ${title}`.trim(),
            wallMs: Math.round(wallMs),
            cpuMs: Math.round(cpuMs),
            peakMemoryBytes,
          },
        ]
      })
      return ran.length === 0 ? {} : { 'slipway.steps': ran }
    },
  }
}
