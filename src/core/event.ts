// What happens during a build, as JSON values: the progress views, the raw log and the tests read only these.
import type { Diagnostic } from './diagnostic.ts'
import type { Digest } from './digest.ts'
import type { ErrorJson } from './error.ts'
import type { SourceFile, Span } from './span.ts'

/** An op's digest, or the name of one of the builder's own tasks (`resolve docker.io/library/debian:12`). */
export type StepId = string

/** Why an op had to run, compared with the last build of the same name. Produced where the decision is taken (explain/journal.ts). */
export type MissReason =
  /** There was no such build. */
  | { readonly kind: 'first' }
  /** It had no such step. */
  | { readonly kind: 'new' }
  /** `--no-cache`. */
  | { readonly kind: 'forced' }
  /** Nothing changed, but the record or a layer is gone. */
  | { readonly kind: 'evicted' }
  /** Nothing changed, but the step was not done then. */
  | { readonly kind: 'unfinished' }
  /** The instruction as such (`field: 'instruction'`, was and now its text), or a part of the op. */
  | { readonly kind: 'op'; readonly field: string; readonly was?: unknown; readonly now?: unknown }
  /** An ARG or ENV; `isMasked` where the name says that the value is a secret. */
  | {
      readonly kind: 'variable'
      readonly name: string
      readonly from: 'ARG' | 'ENV'
      readonly was?: string
      readonly now?: string
      readonly isMasked?: true
    }
  /** The name of a base image stands for another image. */
  | { readonly kind: 'image'; readonly reference: string; readonly was: Digest; readonly now: Digest }
  /** Files of a build context; `more` others are not named. */
  | {
      readonly kind: 'files'
      readonly input: number
      readonly changed: readonly string[]
      readonly added: readonly string[]
      readonly removed: readonly string[]
      readonly more: number
    }
  /** Files of a build context of which it is not known any more what they were. */
  | { readonly kind: 'content'; readonly input: number }
  /** It came right behind another instruction, `was`, than behind `step`, which is what it was: one was taken out or moved. */
  | { readonly kind: 'moved'; readonly input: number; readonly step: StepId; readonly was: string }
  /** Not a first cause: another step did not give what it gave then. */
  | { readonly kind: 'input'; readonly input: number; readonly step: StepId }

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
      /** How long the step ran when it did. */
      readonly savedMs?: number
    }
  /** Reasons are given where earlier builds are known. */
  | { readonly type: 'op-missed'; readonly step: StepId; readonly reasons: readonly MissReason[] }
  /** What is different about a step that was not run (a FROM, one that was found), before the event of who missed for it. */
  | { readonly type: 'op-changed'; readonly step: StepId; readonly reasons: readonly MissReason[] }
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
