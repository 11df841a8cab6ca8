// The live view: a frame of steps with timers, transfer bars and the last lines of running steps,
// redrawn in place; the final frame stays on the screen.
import stringWidth from 'fast-string-width'
import type { TimedEvent } from '../core/event.ts'
import type { Explained } from './explained.ts'
import { formatFindings } from './findings.ts'
import { formatDuration, formatGauge } from './format.ts'
import { type Gauge, Model, printable, type StepState } from './model.ts'
import { formatRecap } from './recap.ts'
import type { Output, View } from './types.ts'

const frameMs = 100
const logLines = 6

type Tone = 'plain' | 'blue' | 'red' | 'dim'
interface Row {
  readonly left: string
  readonly right: string
  readonly tone: Tone
}

/** `why` tells what is said about hits and misses. */
export function ttyView(output: Output, why?: Explained): View {
  const model = new Model()
  let drawnRows = 0
  let offsetMs = 0
  const timer = setInterval(() => draw(false), frameMs)
  timer.unref()

  const draw = (final: boolean): void => {
    if (model.startedMs === undefined) return
    const nowMs = final ? model.lastMs : Date.now() - offsetMs
    const columns = Math.max(20, output.columns || 80)
    const limit = final ? Number.POSITIVE_INFINITY : Math.max(4, (output.rows || 24) - 1)
    const rows = frameRows(model, nowMs, { final, limit, columns })
    const text = rows
      .map((row) => `${paint(fitRow(row, columns), row.tone, output.colours)}\u001b[K\n`)
      .join('')
    const up = drawnRows > 0 ? `\u001b[${drawnRows}A` : ''
    output.write(`\u001b[?2026h\u001b[?25l${up}\r${text}\u001b[J${final ? '\u001b[?25h' : ''}\u001b[?2026l`)
    drawnRows = rows.length
  }

  return {
    apply: (event: TimedEvent) => {
      offsetMs = Date.now() - Date.parse(event.time)
      const said = why?.text(event)
      const change = model.apply(event)
      if (said === undefined || !('step' in event)) return
      const state = change?.state ?? model.open(event.step)
      state.said = said
    },
    finish: () => {
      clearInterval(timer)
      draw(true)
      const left = `${why?.summary(output.colours) ?? ''}${formatFindings(model, { warnings: true, colours: output.colours })}${formatRecap(model)}`
      if (left) output.write(left)
    },
  }
}

function frameRows(
  model: Model,
  nowMs: number,
  { final, limit, columns }: { readonly final: boolean; readonly limit: number; readonly columns: number },
): Row[] {
  const steps = [...model.steps.values()]
  const ended = steps.filter((s) => s.status !== 'running').length
  const head: Row = {
    left: `[+] Building ${formatDuration(nowMs - (model.startedMs ?? nowMs))} (${ended}/${model.stepCount})`,
    right: final ? 'FINISHED' : '',
    tone: 'plain',
  }
  const body: { rows: Row[]; running: boolean }[] = steps.map((state) => ({
    rows: stepRows(state, nowMs, columns),
    running: state.status === 'running',
  }))
  // When the screen is too small, finished steps go first, the oldest before the newer.
  let count = 1 + body.reduce((n, b) => n + b.rows.length, 0)
  for (const b of body) {
    if (count <= limit) break
    if (b.running) continue
    count -= b.rows.length
    b.rows = []
  }
  for (const b of body) {
    if (count <= limit) break
    count -= b.rows.length - 1
    b.rows = b.rows.slice(0, 1)
  }
  return [head, ...body.flatMap((b) => b.rows)].slice(0, limit)
}

const looks: Readonly<Record<StepState['status'], { readonly tone: Tone; readonly mark: string }>> = {
  running: { tone: 'plain', mark: '' },
  done: { tone: 'blue', mark: '' },
  cached: { tone: 'blue', mark: 'CACHED ' },
  canceled: { tone: 'dim', mark: 'CANCELED ' },
  failed: { tone: 'red', mark: 'ERROR ' },
}

function stepRows(state: StepState, nowMs: number, columns: number): Row[] {
  const { tone, mark } = looks[state.status]
  const rows: Row[] = [
    {
      left: ` => ${mark}${state.title}`,
      right: formatDuration((state.endedMs ?? nowMs) - state.startedMs),
      tone,
    },
  ]
  if (state.said !== undefined) rows.push({ left: ` => => ${state.said}`, right: '', tone: 'dim' })
  if (state.status !== 'running') return rows
  for (const gauge of [...state.gauges.values()].slice(-8)) {
    rows.push({
      left: ` => => ${shortDigest(gauge.what)} ${columns < barColumns ? percent(gauge) : `${bar(gauge)}${formatGauge(gauge)}`}`,
      right: formatDuration((gauge.endedMs ?? nowMs) - gauge.startedMs),
      tone: gauge.endedMs === undefined ? 'plain' : 'blue',
    })
  }
  const texts = state.lines.map((line) => line.text)
  if (state.unfinished !== '') texts.push(state.unfinished)
  for (const text of texts.slice(-logLines)) {
    rows.push({ left: ` => => # ${printable(text)}`, right: '', tone: 'dim' })
  }
  return rows
}

const barWidth = 20
/** On a narrower screen a percentage must do. */
const barColumns = 72

function percent(gauge: Gauge): string {
  if (!gauge.total) return formatGauge(gauge)
  return `${Math.floor((gauge.current / gauge.total) * 100)}%`
}

/** A digest as it is shown elsewhere too: twelve digits tell blobs apart. */
function shortDigest(what: string): string {
  return what.replace(/^(sha256:[0-9a-f]{12})[0-9a-f]{52}$/, '$1')
}

function bar(gauge: Gauge): string {
  if (gauge.total === undefined || gauge.total === 0 || gauge.endedMs !== undefined) return ''
  const filled = Math.min(barWidth, Math.floor((gauge.current / gauge.total) * barWidth))
  return `[${'='.repeat(filled)}${' '.repeat(barWidth - filled)}] `
}

/** One screen line: the left text cut to leave room for the right one. Widths are counted before any colour is added. */
function fitRow(row: Row, columns: number): string {
  const room = columns - 1 - (row.right ? row.right.length + 1 : 0)
  let left = row.left.replaceAll('\t', ' ')
  let width = stringWidth(left)
  if (width > room) {
    const characters = [...left]
    while (characters.length > 0 && width > room - 1) width -= stringWidth(characters.pop() ?? '')
    left = `${characters.join('')}…`
    width += 1
  }
  return row.right
    ? `${left}${' '.repeat(Math.max(1, columns - 1 - width - row.right.length))}${row.right}`
    : left
}

function paint(text: string, tone: Tone, colours: boolean): string {
  if (!colours || tone === 'plain') return text
  const code = tone === 'red' ? '31' : tone === 'blue' ? '34' : '2'
  return `\u001b[${code}m${text}\u001b[0m`
}
