// What happens during a build, as JSON values: the progress views, the raw log and the tests read only these.
import type { Diagnostic } from './diagnostic.ts'
import type { Digest } from './digest.ts'
import type { ErrorJson } from './error.ts'
import type { SourceFile, Span } from './span.ts'

/** An op's digest, or the name of one of the builder's own tasks (`resolve docker.io/library/debian:12`). */
export type StepId = string

/** Why an op had to run. Produced where the decision is taken (solve/explain.ts). */
export type MissReason =
  | { readonly kind: 'first' }
  | { readonly kind: 'forced' }
  | { readonly kind: 'evicted' }
  | { readonly kind: 'op'; readonly field: string; readonly was?: unknown; readonly now?: unknown }
  | { readonly kind: 'input'; readonly input: number; readonly was?: Digest; readonly now?: Digest }

/** One op as the views name it; `label` is BuildKit's `[stage 2/5]`, `title` the instruction. */
export interface StepInfo {
  readonly step: StepId
  readonly label: string
  readonly title: string
  readonly inputs: readonly StepId[]
  readonly span?: Span
}

export type BuildEvent =
  | { readonly type: 'graph'; readonly steps: readonly StepInfo[]; readonly files: readonly SourceFile[] }
  | { readonly type: 'op-started'; readonly step: StepId }
  | { readonly type: 'op-finished'; readonly step: StepId }
  | {
      readonly type: 'op-cached'
      readonly step: StepId
      readonly by: 'definition' | 'content' | 'implied'
      /** Absent: a record of this machine. */
      readonly from?: 'remote'
    }
  | { readonly type: 'op-missed'; readonly step: StepId; readonly reasons: readonly MissReason[] }
  | { readonly type: 'op-failed'; readonly step: StepId; readonly error: ErrorJson }
  | {
      /** What the process of a step used, all that it started included; before the step's end. */
      readonly type: 'usage'
      readonly step: StepId
      readonly wallMs: number
      readonly cpuMs: number
      readonly peakMemoryBytes: number
    }
  | {
      /** Where the log is of a step that was ended with its build. */
      readonly type: 'log-kept'
      readonly step: StepId
      readonly path: string
    }
  | { readonly type: 'task-started'; readonly step: StepId; readonly title: string }
  | { readonly type: 'task-finished'; readonly step: StepId }
  | { readonly type: 'task-failed'; readonly step: StepId; readonly error: ErrorJson }
  | {
      readonly type: 'log'
      readonly step: StepId
      readonly stream: 'stdout' | 'stderr'
      readonly text: string
    }
  | {
      /** A running figure inside a step; `what` names it (`sha256:…`, `transferring context`), a later one replaces it. */
      readonly type: 'progress'
      readonly step: StepId
      readonly what: string
      readonly current: number
      readonly total?: number
      readonly unit: 'bytes' | 'files' | 'none'
      readonly done?: boolean
    }
  | {
      /** All that is wrong or doubtful in what the user wrote, once a build, as soon as it is known. */
      readonly type: 'diagnostics'
      readonly diagnostics: readonly Diagnostic[]
      readonly files: readonly SourceFile[]
    }

/** An event as it is written down: the sink adds time and order. */
export type TimedEvent = BuildEvent & { readonly time: string; readonly sequence: number }
