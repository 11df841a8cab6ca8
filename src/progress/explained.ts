// `--explain`: why steps ran and why others did not, told by the views as it happens and once more at the end.
import type { BuildEvent, MissReason, StepId } from '../core/event.ts'
import { formatDuration } from './format.ts'
import { printable } from './model.ts'
import { isFirstCause, missText, newsOnly, type StepNames } from './reasons.ts'

export interface Explained {
  /** What an event says about its step, if anything. */
  text(event: BuildEvent): string | undefined
  /** The first causes of all that ran, for the end of the build; empty when there are none. */
  summary(colours: boolean): string
}

/** Is told of every event before it is asked about it. */
export function explained(): Explained {
  const titles = new Map<StepId, string>()
  const told = new Map<StepId, readonly MissReason[]>()
  const ran = new Set<StepId>()
  const names: StepNames = {
    titleOf: (step) => titles.get(step) ?? step,
    hasRun: (step) => ran.has(step),
  }
  const news = newsOnly()
  const missed = (step: StepId, all: readonly MissReason[]): string | undefined => {
    if (all.length === 0) return undefined
    const reasons = news(all)
    told.set(step, reasons)
    const text = missText(names.titleOf(step), reasons, names)
    return `${reasons.some(isFirstCause) ? 'MISS' : 'miss'}: ${text}`
  }
  return {
    text(event) {
      switch (event.type) {
        case 'graph':
          for (const { step, title } of event.steps) titles.set(step, printable(title))
          return undefined
        case 'op-missed':
          ran.add(event.step)
          return missed(event.step, event.reasons)
        case 'op-changed':
          return missed(event.step, event.reasons)
        case 'op-cached':
          return hitText(event)
        default:
          return undefined
      }
    },
    summary(colours) {
      const causes = [...told].filter(([, reasons]) => reasons.some(isFirstCause))
      if (causes.length === 0) return ''
      const lines = causes.map(([step, reasons]) => {
        const line = `MISS: ${missText(names.titleOf(step), reasons, names)}`
        return colours ? `\u001b[33m${line}\u001b[0m` : line
      })
      const others = [...ran].filter((step) => !causes.some(([cause]) => cause === step)).length
      const rest =
        others === 0 ? [] : [`${others} other ${others === 1 ? 'step' : 'steps'} ran because of that`]
      return `${[...lines, ...rest].join('\n')}\n`
    },
  }
}

function hitText({ by, from, savedMs }: Extract<BuildEvent, { type: 'op-cached' }>): string {
  const place = from ?? 'local'
  const how = { definition: place, content: `${place}, by content`, implied: 'implied' }[by]
  return savedMs === undefined ? `(${how})` : `(${how}, saved ${formatDuration(savedMs)})`
}
