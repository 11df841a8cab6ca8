// A past build as `slipway explain` tells it: numbered steps, how each ended, why. Its JSON is documented in the README.
import type { MissReason } from '../core/event.ts'
import type { PastBuild, PastStep } from './past.ts'

/** A reason, with the number of the step that it leads to in place of its digest. */
export type ToldReason =
  | Exclude<MissReason, { kind: 'input' | 'moved' }>
  | { readonly kind: 'input'; readonly input: number; readonly step: number }
  | { readonly kind: 'moved'; readonly input: number; readonly step: number; readonly was: string }

export interface ToldStep {
  /** Counted from 1, inputs before the steps that read them. */
  readonly number: number
  readonly stage: string
  readonly label: string
  readonly title: string
  readonly file?: string
  readonly line?: number
  /** Numbers of steps. */
  readonly inputs: readonly number[]
  readonly outcome: 'ran' | 'hit' | 'failed' | 'not reached'
  /** Of a hit: where the record was found, or that nobody had to look for it. */
  readonly hit?: string
  readonly tookSeconds?: number
  readonly savedSeconds?: number
  /** Of a step that missed, or that is another one than in the build before. */
  readonly reasons?: readonly ToldReason[]
}

export interface ToldBuild {
  readonly version: 1
  readonly context: string
  /** As `--file` had it; absent: the context's Dockerfile. */
  readonly dockerfile?: string
  readonly failed: boolean
  readonly steps: readonly ToldStep[]
}

/** The report of a build. Contexts and merges, which nobody wrote, are left out; what leads to them leads to what they are made of. */
export function reportOf({ build, failed, steps }: PastBuild): ToldBuild {
  const [context = '', file = ''] = build.split('\n')
  const shown = steps.filter(
    (step) => step.isOlder !== true && step.kind !== 'local' && step.kind !== 'merge',
  )
  const numbers = new Map<string, number>(shown.map((step, i) => [step.ref, i + 1] as const))
  const below = (index: number, seen = new Set<number>()): number[] => {
    const step = steps[index]
    if (step === undefined || seen.has(index)) return []
    seen.add(index)
    const number = numbers.get(step.ref)
    return number === undefined ? step.inputs.flatMap((input) => below(input, seen)) : [number]
  }
  return {
    version: 1,
    context,
    ...(file === '' ? {} : { dockerfile: file }),
    failed,
    steps: shown.map((step, i) => ({
      number: i + 1,
      stage: step.stage,
      label: step.label,
      title: step.title,
      ...(step.file === undefined ? {} : { file: step.file }),
      ...(step.line === undefined ? {} : { line: step.line }),
      inputs: [...new Set(step.inputs.flatMap((input) => below(input)))],
      ...endOf(step),
      ...(step.reasons === undefined
        ? {}
        : { reasons: step.reasons.map((reason) => told(reason, (ref) => numbers.get(ref) ?? 0)) }),
    })),
  }
}

function told(reason: MissReason, numberOf: (ref: string) => number): ToldReason {
  return reason.kind === 'input' || reason.kind === 'moved'
    ? { ...reason, step: numberOf(reason.step) }
    : reason
}

function endOf({
  outcome,
  by,
  from,
  tookMs,
  kind,
}: PastStep): Pick<ToldStep, 'outcome' | 'hit' | 'tookSeconds' | 'savedSeconds'> {
  const seconds = tookMs === undefined ? undefined : tookMs / 1000
  switch (outcome) {
    case 'ran':
      return { outcome, ...(seconds === undefined ? {} : { tookSeconds: seconds }) }
    case 'cached': {
      if (kind === 'image') return { outcome: 'hit' }
      const saved = seconds === undefined ? {} : { savedSeconds: seconds }
      return { outcome: 'hit', hit: by === 'implied' ? 'implied' : (from ?? 'local'), ...saved }
    }
    case 'failed':
      return { outcome }
    case 'none':
      return { outcome: 'not reached' }
  }
}
