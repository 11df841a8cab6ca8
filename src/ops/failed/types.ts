// What is told about a step that failed, while all of it is still there.
import type { Context } from '../../core/context.ts'
import type { SlipwayError } from '../../core/error.ts'
import type { OpNote, OpOf } from '../../graph/op.ts'
import type { Active } from '../../snapshot/types.ts'
import type { Result } from '../../solve/types.ts'
import type { StepLog } from './step-log.ts'

export interface FailedStep {
  readonly op: OpOf<'exec'>
  readonly inputs: readonly Result[]
  readonly note: OpNote
  /** The root file system as the step left it; what is not committed goes away with the step. */
  readonly active: Active
  readonly log: StepLog
  readonly error: SlipwayError
}

export interface FailureKeeper {
  /** Keeps the log of a step that did not come to its end; its path, if there is anything to keep. Never throws. */
  keepLog(step: Pick<FailedStep, 'op' | 'note' | 'log'>, cx: Context): Promise<string | undefined>
  /** Keeps what a person will want to look at, once for each step that failed by itself; the answer is added to the data of its error. Never throws: the step's own failure is the news. */
  keep(failed: FailedStep, cx: Context): Promise<Readonly<Record<string, unknown>>>
}
