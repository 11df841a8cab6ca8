// `slipway explain`: what the last build did and why, from what it left in the state directory.
import { keptRecord } from '../cache/kept-record.ts'
import { type EndedBuild, pastBuilds } from '../cache/past-builds.ts'
import { SlipwayError } from '../core/error.ts'
import type { PastStep } from '../explain/past.ts'
import { reportOf, type ToldBuild, type ToldStep } from '../explain/report.ts'
import { storeDirectory } from './host.ts'

export type { ToldBuild, ToldReason, ToldStep } from '../explain/report.ts'

export interface ExplainRequest {
  readonly root: string
  /** The context of the build, as its name has it; absent: of whichever build ended last. */
  readonly context?: string
  /** Likewise its `--file`. */
  readonly file?: string
}

export interface ExplainedBuild extends ToldBuild {
  readonly ended: string
}

/** The report of the last build. Throws ERR_BUILD_UNKNOWN. */
export function explainLast({ root, context, file }: ExplainRequest): ExplainedBuild {
  for (const past of pastBuilds(storeDirectory(root))) {
    if (!isOf(past, context, file)) continue
    const steps = past.steps.map((step) => withTime(step, storeDirectory(root)))
    return { ...reportOf({ ...past, steps }), ended: new Date(past.endedMs).toISOString() }
  }
  throw new SlipwayError({
    code: 'ERR_BUILD_UNKNOWN',
    message: `explain ${context === undefined ? 'the last build' : context}: no such build is known in ${root}`,
    hint: 'builds are remembered when they have ended; slipway build --explain tells while it builds',
  })
}

/** Of what nobody had to look for the build did not learn how long it had taken. */
function withTime(step: PastStep, store: string): PastStep {
  const { outcome, definition, tookMs } = step
  if (outcome !== 'cached' || definition === null || tookMs !== undefined) return step
  const known = keptRecord(store, definition)?.tookMs
  return known === undefined ? step : { ...step, tookMs: known }
}

function isOf({ build }: EndedBuild, context: string | undefined, file: string | undefined): boolean {
  const [itsContext, itsFile] = build.split('\n')
  return (context === undefined || itsContext === context) && (file === undefined || itsFile === file)
}

/** The steps that `asked` names: a number, a line (`Dockerfile:12`, `:12`), or a part of the instruction or its label. Throws ERR_STEP_UNKNOWN. */
export function findSteps({ steps }: ToldBuild, asked: string): readonly ToldStep[] {
  const line = /^(.*):(\d+)$/.exec(asked)
  const text = asked.toLowerCase()
  const found = steps.filter((step) => {
    if (/^\d+$/.test(asked)) return step.number === Number(asked)
    if (line !== null && step.line === Number(line[2]) && (step.file ?? '').endsWith(line[1] ?? ''))
      return true
    return `${step.label} ${step.title}`.toLowerCase().includes(text)
  })
  if (found.length > 0) return found
  throw new SlipwayError({
    code: 'ERR_STEP_UNKNOWN',
    message: `explain ${JSON.stringify(asked)}: the last build has no such step`,
    hint: 'slipway explain lists its steps; name one by its number, its line (Dockerfile:12) or a part of its text',
  })
}
