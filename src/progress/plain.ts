// The line-by-line view for logs and CI: BuildKit's `#n` format, every line of output kept.
import type { StepId, TimedEvent } from '../core/event.ts'
import type { Explained } from './explained.ts'
import { formatFindings } from './findings.ts'
import { formatBytes, formatDuration, formatGauge } from './format.ts'
import { type Gauge, Model, printable, type StepState } from './model.ts'
import { formatRecap } from './recap.ts'
import type { Output, View } from './types.ts'

/** A running gauge is printed at most this often. */
const gaugeIntervalMs = 3000

/** `why` tells what is said about hits and misses. */
export function plainView(output: Output, why?: Explained): View {
  const model = new Model()
  const headed = new Set<string>()
  const gaugePrintedMs = new Map<string, number>()
  /** What is said of a step as soon as it starts. */
  const waiting = new Map<StepId, string>()
  let current: StepState | undefined

  // A terminal must not be driven by what a step prints; in a file the bytes are the user's own.
  const visible = (text: string): string => (output.isTerminal ? printable(text) : text)

  // One write an event: a step may print millions of lines. Hits come hundreds at a time, and wait for each other.
  let out = ''
  const line = (state: StepState, text: string): void => {
    if (current !== state) {
      if (current !== undefined) out += '\n'
      out += `#${state.number} ${headed.has(state.step) ? '…' : state.title}\n`
      headed.add(state.step)
      current = state
    }
    if (text !== '') out += `#${state.number} ${text}\n`
  }

  const gauge = (state: StepState, g: Gauge, ms: number): void => {
    const key = `${state.step} ${g.what}`
    const lastMs = gaugePrintedMs.get(key) ?? g.startedMs
    if (g.endedMs === undefined && ms - lastMs < gaugeIntervalMs) return
    gaugePrintedMs.set(key, ms)
    const done = g.endedMs === undefined ? '' : ` ${formatDuration(ms - g.startedMs)} done`
    line(state, `${g.what} ${formatGauge(g)}${done}`)
  }

  const flush = (): void => {
    if (out !== '') output.write(out)
    out = ''
  }

  const print = (event: TimedEvent): void => {
    const said = why?.text(event)
    const change = model.apply(event)
    if (said !== undefined && event.type === 'op-missed') waiting.set(event.step, said)
    if (said !== undefined && event.type === 'op-changed') line(model.open(event.step), said)
    if (change === undefined) return
    const { state, lines } = change
    for (const l of lines) line(state, `${l.seconds.toFixed(3)} ${visible(l.text)}`)
    switch (event.type) {
      case 'op-started':
      case 'task-started':
        line(state, waiting.get(event.step) ?? '')
        break
      case 'op-cached':
        line(state, said === undefined ? 'CACHED' : `CACHED ${said}`)
        break
      case 'op-finished':
      case 'task-finished':
        line(state, `DONE ${formatDuration((state.endedMs ?? 0) - state.startedMs)}${usageOf(state)}`)
        break
      case 'op-failed':
      case 'task-failed':
        line(state, state.status === 'canceled' ? 'CANCELED' : `ERROR: ${visible(event.error.message)}`)
        break
      case 'progress': {
        const g = state.gauges.get(event.what)
        if (g !== undefined) gauge(state, g, model.lastMs)
        break
      }
      default:
        break
    }
  }

  return {
    apply: (event: TimedEvent) => {
      const isWaiting = out !== ''
      print(event)
      if (event.type !== 'op-cached') flush()
      else if (!isWaiting) queueMicrotask(flush)
    },
    finish: () => {
      flush()
      const causes = why?.summary(output.colours) ?? ''
      const left = `${causes === '' ? '' : `\n${causes}`}${formatFindings(model, { warnings: true, colours: output.colours })}${formatRecap(model)}`
      if (left) output.write(left)
    },
  }
}

/** A shorter step says nothing about what a build costs. */
const leastToldMs = 1000

function usageOf({ usage, startedMs, endedMs = 0 }: StepState): string {
  if (usage === undefined || endedMs - startedMs < leastToldMs) return ''
  return ` (CPU ${formatDuration(usage.cpuMs)}, memory ${formatBytes(usage.peakMemoryBytes)})`
}
