// What `slipway explain` prints for people.
import type { ExplainedBuild, ToldBuild, ToldReason, ToldStep } from '../app/explain.ts'
import type { MissReason } from '../core/event.ts'
import { formatDuration } from '../progress/format.ts'
import { printable } from '../progress/model.ts'
import { isFirstCause, missText, newsOnly, type StepNames } from '../progress/reasons.ts'

/** All steps of a build, one a line, first causes in capitals. */
export function buildText(build: ExplainedBuild): string {
  const { context, dockerfile, ended, failed, steps } = build
  const head = `Build of ${context}${dockerfile === undefined ? '' : ` (${dockerfile})`}, ended ${ended}${failed ? ', failed' : ''}`
  const names = namesOf(build)
  const news = newsOnly()
  const rows = steps.map(
    (step) => [`${step.number}`, titleOf(step), endText(step, news(reasonsOf(step)), names)] as const,
  )
  const width = Math.min(widest, Math.max(0, ...rows.map(([, title]) => title.length)))
  const digits = String(steps.length).length
  const lines = rows.map(
    ([number, title, end]) => `${number.padStart(digits)}  ${cut(title, width).padEnd(width)}  ${end}`,
  )
  return `${[printable(head), '', ...lines].join('\n')}\n`
}

/** One step and the chain that leads to what caused it to run. */
export function stepText(build: ToldBuild, step: ToldStep): string {
  const names = namesOf(build)
  const lines: string[] = []
  const seen = new Set<number>()
  const tell = (at: ToldStep, depth: number): void => {
    const place = at.line === undefined ? '' : ` (${at.file}:${at.line})`
    lines.push(
      `${'  '.repeat(depth)}${at.number}  ${titleOf(at)}${printable(place)}: ${endText(at, reasonsOf(at), names)}`,
    )
    seen.add(at.number)
    for (const reason of at.reasons ?? []) {
      const below = reason.kind === 'input' ? build.steps[reason.step - 1] : undefined
      if (below !== undefined && !seen.has(below.number)) tell(below, depth + 1)
    }
  }
  tell(step, 0)
  return `${lines.join('\n')}\n`
}

const widest = 60

function titleOf({ label, title }: ToldStep): string {
  return printable(`${label} ${title}`.trim())
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

function namesOf({ steps }: ToldBuild): StepNames {
  const at = (number: string) => steps[Number(number) - 1]
  return {
    titleOf: (number) => cut(printable(at(number)?.title ?? 'another step'), widest),
    hasRun: (number) => at(number)?.outcome === 'ran' || at(number)?.outcome === 'failed',
  }
}

function endText(step: ToldStep, reasons: readonly MissReason[], names: StepNames): string {
  const why = reasons.length === 0 ? '' : causesText(reasons, names)
  const isCause = reasons.some(isFirstCause)
  switch (step.outcome) {
    case 'hit': {
      const saved =
        step.savedSeconds === undefined ? '' : `, saved ${formatDuration(step.savedSeconds * 1000)}`
      const hit = step.hit === undefined ? 'same' : `hit   ${step.hit}${saved}`
      if (why === '') return hit
      return step.hit === undefined ? `MISS  ${why}` : `${hit}; changed: ${why}`
    }
    case 'ran': {
      const took = step.tookSeconds === undefined ? '' : ` (${formatDuration(step.tookSeconds * 1000)})`
      return `${isCause ? 'MISS' : 'miss'}  ${why}${took}`
    }
    case 'failed':
      return why === '' ? 'failed' : `${isCause ? 'MISS' : 'miss'}  ${why}; failed`
    case 'not reached':
      return 'not reached'
  }
}

/** As the views tell it, without the title in front. */
function causesText(reasons: readonly MissReason[], names: StepNames): string {
  const text = missText('', reasons, names)
  return text.startsWith(' — ') ? text.slice(3) : text
}

function reasonsOf({ reasons = [] }: ToldStep): MissReason[] {
  return reasons.map(asEvent)
}

function asEvent(reason: ToldReason): MissReason {
  return reason.kind === 'input' || reason.kind === 'moved'
    ? { ...reason, step: String(reason.step) }
    : reason
}
