// Words with the variables of a place in the Dockerfile put in, and the check that those exist.
import { type Diagnostic, nearest } from '../core/diagnostic.ts'
import type { Heredoc, Word } from '../dockerfile/ast.ts'
import {
  type Environment,
  type ExpandOptions,
  expandHeredoc,
  expandWord,
  expandWords,
  type VariableUse,
} from '../dockerfile/expand.ts'
import { undefinedVariable } from '../dockerfile/lint/planned/undefined-var.ts'
import type { LowerContext, StageState } from './state.ts'

export interface Expanded {
  /** '' together with an error. */
  readonly text: string
  /** Names that were looked up and are set. */
  readonly matched: readonly string[]
  /** Uses of names that are not set. */
  readonly unmatched: readonly VariableUse[]
  readonly diagnostics: readonly Diagnostic[]
}

/** `word` outside of stages, with the values of `args`. */
export function expandWith(word: Word, args: ReadonlyMap<string, string>, escapeBy: string): Expanded {
  const matched = new Set<string>()
  const unmatched: VariableUse[] = []
  const { value, diagnostics } = expandWord(word, (name) => args.get(name), {
    escape: escapeBy,
    onUse: (use) => {
      if (use.defined) matched.add(use.name)
      else unmatched.push(use)
    },
  })
  return { text: value, matched: [...matched], unmatched, diagnostics }
}

/** What `word` means at this point of a stage; '' when it is wrong, which is reported. */
export function expandIn(word: Word, state: StageState, cx: LowerContext): string {
  return expandAt(state, cx, (env, options) => expandWord(word, env, options))
}

/** The words that `word` means at this point of a stage. */
export function expandAllIn(word: Word, state: StageState, cx: LowerContext): readonly string[] {
  return expandAt(state, cx, (env, options) => expandWords(word, env, options))
}

/** The body of a here-document that becomes a file. */
export function expandContent(heredoc: Heredoc, state: StageState, cx: LowerContext): string {
  return expandAt(state, cx, (env, options) => expandHeredoc(heredoc, env, options))
}

function expandAt<T>(
  state: StageState,
  cx: LowerContext,
  run: (env: Environment, options: ExpandOptions) => { value: T; diagnostics: readonly Diagnostic[] },
): T {
  const options: ExpandOptions = {
    escape: cx.escape,
    onUse: (use) => reportUndefined(use, state, cx),
  }
  const { value, diagnostics } = run((name) => state.env.get(name), options)
  for (const diagnostic of diagnostics) cx.report(diagnostic)
  return value
}

/** Arguments for the builder itself; neither RUN nor words ever see them (field.md §1.5 "Builtin build-args"). */
export const builderOnly: ReadonlySet<string> = new Set([
  'BUILDKIT_SBOM_SCAN_CONTEXT',
  'BUILDKIT_SBOM_SCAN_STAGE',
])

function reportUndefined(use: VariableUse, state: StageState, cx: LowerContext): void {
  // Differs: BuildKit also warns about `${x:-default}`, whose writer has thought of an unset x.
  if (use.defined || toleratesUnset(use) || state.args.some(({ key }) => key === use.name)) return
  // What an unknown image sets is no mistake.
  if (builderOnly.has(use.name) || state.base.isStandIn) return
  const close = nearest(use.name, state.env.keys())
  // The places of a trigger are not the file's.
  const elsewhere = cx.isTrigger ? {} : cx.elsewhere(use, cx.stage.index, close)
  cx.report({ ...undefinedVariable(use, close), ...elsewhere })
}

/** Whether the operator says what an unset variable means, or makes it an error of its own. */
export function toleratesUnset({ operator }: VariableUse): boolean {
  return operator !== undefined && /^:?[-+?]$/.test(operator)
}
