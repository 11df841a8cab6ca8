// What a build check is: its name, what it asks for, and how its finding is written down as a diagnostic.
import type { Diagnostic, Note } from '../../core/diagnostic.ts'
import type { Span } from '../../core/span.ts'
import type { Dockerfile, Stages } from '../ast.ts'

/** A build check: the name `# check=skip=` knows it by, and what it is about. */
export interface Rule {
  readonly name: string
  /** What the rule asks for, one sentence. */
  readonly description: string
  /** Whose rule it is. BuildKit's have its names, texts and meaning; slipway's own report what BuildKit swallows. */
  readonly origin: 'buildkit' | 'slipway'
  /** Where BuildKit documents it. */
  readonly url?: string
  /** Off unless asked for by `experimental=`. */
  readonly isExperimental?: true
}

/** What tree rules look at. */
export interface Subject {
  readonly file: Dockerfile
  readonly stages: Stages
}

/** One violation. Its span lies within the instruction whose comments may turn the rule off. */
export interface Finding {
  readonly message: string
  readonly span?: Span
  readonly notes?: readonly Note[]
  readonly hint?: string
}

/** A rule whose findings show on the tree alone. `check` is pure and reports in any order. */
export interface TreeRule extends Rule {
  check(subject: Subject): Iterable<Finding>
}

/** A finding of `rule` as the warning that is reported. */
export function warningOf(rule: Rule, finding: Finding): Diagnostic {
  const { name, url } = rule
  return { code: name, severity: 'warning', ...finding, ...(url === undefined ? {} : { url }) }
}
