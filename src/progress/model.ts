// The state of a running command, folded from its events: what every view shows and nothing it decides.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { BuildEvent, StepId, TimedEvent } from '../core/event.ts'
import type { SourceFile, Span } from '../core/span.ts'

export interface Gauge {
  readonly what: string
  readonly current: number
  readonly total?: number
  readonly unit: 'bytes' | 'files' | 'none'
  readonly startedMs: number
  readonly endedMs?: number
}

export interface LogLine {
  readonly text: string
  /** Seconds since the step started. */
  readonly seconds: number
}

export interface StepState {
  readonly step: StepId
  /** `#n`, given at first appearance. */
  readonly number: number
  /** `[stage 2/5] RUN …`, or a task's title; control characters removed. */
  readonly title: string
  readonly span?: Span
  status: 'running' | 'done' | 'cached' | 'canceled' | 'failed'
  readonly startedMs: number
  endedMs?: number
  readonly gauges: Map<string, Gauge>
  /** The last lines of output, oldest first, at most `keptLines`. */
  readonly lines: LogLine[]
  /** Of a process, once it has ended. */
  usage?: { readonly cpuMs: number; readonly peakMemoryBytes: number }
  /** Why it was run or not, when that is asked for. */
  said?: string
  /** The line that is still being written, as far as it has come; empty when there is none. */
  unfinished: string
}

/** Codes of steps that were stopped because of something else: another step's failure, the user's Ctrl-C. */
const canceledCodes: ReadonlySet<string> = new Set(['ERR_CANCELED', 'ERR_INTERRUPTED'])

/** How many lines of a step's output are kept for the live view and the failure recap. */
export const keptLines = 20

/** A longer line is shown as several. */
const maxLineLength = 1 << 16

export interface ModelChange {
  readonly state: StepState
  readonly lines: readonly LogLine[]
}

export class Model {
  readonly steps = new Map<StepId, StepState>()
  files: readonly SourceFile[] = []
  diagnostics: readonly Diagnostic[] = []
  startedMs: number | undefined
  lastMs = 0
  readonly #infos = new Map<StepId, { label: string; title: string; span?: Span }>()
  readonly #partial = new Map<string, string>()

  /** How many steps there are as far as is known: the graph's and the builder's own. */
  get stepCount(): number {
    let own = 0
    for (const step of this.steps.keys()) if (!this.#infos.has(step)) own++
    return own + this.#infos.size
  }

  /** Takes in one event; the answer names the step it concerned and the complete log lines it brought. */
  apply(event: TimedEvent): ModelChange | undefined {
    const ms = Date.parse(event.time)
    this.startedMs ??= ms
    this.lastMs = ms
    switch (event.type) {
      case 'graph':
        this.files = event.files
        for (const info of event.steps) this.#infos.set(info.step, info)
        return undefined
      case 'diagnostics':
        this.files = event.files
        this.diagnostics = event.diagnostics
        return undefined
      case 'op-missed':
      case 'op-changed':
        return undefined
      case 'task-started':
      case 'op-started':
        return { state: this.#open(event.step, ms, event), lines: [] }
      case 'op-cached':
        // A context that was fetched for its Dockerfile is found again by what copies of it.
        if (this.steps.get(event.step)?.endedMs !== undefined) return undefined
        return this.#close(event, ms, 'cached')
      case 'op-finished':
      case 'task-finished':
        return this.#close(event, ms, 'done')
      case 'op-failed':
      case 'task-failed':
        return this.#close(event, ms, canceledCodes.has(event.error.code) ? 'canceled' : 'failed')
      case 'usage': {
        const state = this.#open(event.step, ms)
        state.usage = { cpuMs: event.cpuMs, peakMemoryBytes: event.peakMemoryBytes }
        return { state, lines: [] }
      }
      case 'log': {
        const state = this.#open(event.step, ms)
        return { state, lines: this.#addText(state, event.stream, event.text, ms) }
      }
      case 'progress': {
        const state = this.#open(event.step, ms)
        const before = state.gauges.get(event.what)
        state.gauges.set(event.what, {
          what: printable(event.what),
          current: event.current,
          ...(event.total === undefined ? {} : { total: event.total }),
          unit: event.unit,
          startedMs: before?.startedMs ?? ms,
          ...(event.done ? { endedMs: ms } : {}),
        })
        return { state, lines: [] }
      }
    }
  }

  /** The state of a step of the graph, as if it began now if nothing is known of it. */
  open(step: StepId): StepState {
    return this.#open(step, this.lastMs)
  }

  #open(step: StepId, ms: number, event?: BuildEvent): StepState {
    const known = this.steps.get(step)
    if (known !== undefined) return known
    const info = this.#infos.get(step)
    const title =
      info !== undefined ? `${info.label} ${info.title}` : event?.type === 'task-started' ? event.title : step
    const state: StepState = {
      step,
      number: this.steps.size + 1,
      title: printable(title.trim()),
      ...(info?.span === undefined ? {} : { span: info.span }),
      status: 'running',
      startedMs: ms,
      gauges: new Map(),
      lines: [],
      unfinished: '',
    }
    this.steps.set(step, state)
    return state
  }

  #close(event: { step: StepId }, ms: number, status: Exclude<StepState['status'], 'running'>): ModelChange {
    const state = this.#open(event.step, ms)
    const rest = (['stdout', 'stderr'] as const).flatMap((stream) => {
      const partial = this.#partial.get(`${event.step} ${stream}`)
      return partial ? this.#addText(state, stream, '\n', ms) : []
    })
    state.status = status
    state.endedMs = ms
    return { state, lines: rest }
  }

  #addText(state: StepState, stream: string, text: string, ms: number): LogLine[] {
    const key = `${state.step} ${stream}`
    const parts = ((this.#partial.get(key) ?? '') + text).split('\n')
    const partial = overwritten(parts.pop() ?? '')
    // A program that never ends its line must not make it grow without end.
    if (partial.length > maxLineLength) parts.push(partial)
    this.#partial.set(key, partial.length > maxLineLength ? '' : partial)
    state.unfinished = lastVisible(partial)
    const seconds = (ms - state.startedMs) / 1000
    const lines = parts.map((line) => ({ text: lastVisible(line), seconds }))
    state.lines.push(...lines.slice(-keptLines))
    if (state.lines.length > keptLines) state.lines.splice(0, state.lines.length - keptLines)
    return lines
  }
}

/** What can still be seen of an unfinished line; a carriage return at its end may be half a line end. */
function overwritten(partial: string): string {
  const end = partial.replace(/\r+$/, '').length
  return partial.slice(partial.lastIndexOf('\r', end - 1) + 1)
}

/** A line as a terminal would leave it: what follows the last carriage return that is not the line end. */
function lastVisible(line: string): string {
  const trimmed = line.replace(/\r+$/, '')
  return trimmed.slice(trimmed.lastIndexOf('\r') + 1)
}

/** Text that cannot drive a terminal: escape sequences and control characters other than tab are taken out. */
export function printable(text: string): string {
  return text
    .replace(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g, '')
    .replace(/\u001b[PX^_][^\u001b]*(?:\u001b\\)?/g, '')
    .replace(/[\u001b\u009b][[\]()#;?]*[0-9;:]*[@-~]?/g, '')
    .replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '')
}
