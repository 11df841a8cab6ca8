// What a build check is: a value that says what is wrong with a Dockerfile that would still build.
import type { Note } from '../../core/diagnostic.ts'
import type { Span } from '../../core/span.ts'
import type { Dockerfile, Instruction, Stages } from '../ast.ts'

/** What rules look at. */
export interface Subject {
  readonly file: Dockerfile
  readonly stages: Stages
}

/** One violation; `instruction` is the one whose comments may turn the rule off. */
export interface Finding {
  readonly instruction: Instruction
  readonly message: string
  readonly span: Span
  readonly notes?: readonly Note[]
  readonly hint?: string
}

/** A check with BuildKit's name for it. `check` is pure and reports in any order. */
export interface Rule {
  readonly name: string
  /** What the rule asks for, one sentence. */
  readonly description: string
  /** Off unless asked for by `experimental=`. */
  readonly isExperimental?: true
  check(subject: Subject): Iterable<Finding>
}
