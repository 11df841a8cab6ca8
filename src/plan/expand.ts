// Words with the variables of a place in the Dockerfile put in, and the check that those exist.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Heredoc, Word } from '../dockerfile/ast.ts'
import {
  type Environment,
  type ExpandOptions,
  expandHeredoc,
  expandWord,
  expandWords,
  isLiteral,
  type VariableUse,
} from '../dockerfile/expand.ts'
import { undefinedVariable } from '../dockerfile/lint/planned/undefined-var.ts'
import type { Elsewhere } from './declarations.ts'
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
  return expandKnown(word, state, cx) ?? ''
}

/** As `expandIn`, but undefined when the word is wrong: for who would only find fault with '' again. */
export function expandKnown(word: Word, state: StageState, cx: LowerContext): string | undefined {
  if (isLiteral(word.text)) return word.text
  return expandAt(word.span, state, cx, (env, options) => {
    const { value, diagnostics } = expandWord(word, env, options)
    return { value: diagnostics.length > 0 ? undefined : value, diagnostics }
  })
}

/** The words that `word` means at this point of a stage. */
export function expandAllIn(word: Word, state: StageState, cx: LowerContext): readonly string[] {
  return expandAt(word.span, state, cx, (env, options) => expandWords(word, env, options))
}

/** The body of a here-document that becomes a file. */
export function expandContent(heredoc: Heredoc, state: StageState, cx: LowerContext): string {
  return expandAt(heredoc.contentSpan, state, cx, (env, options) => expandHeredoc(heredoc, env, options))
}

function expandAt<T>(
  span: Span,
  state: StageState,
  cx: LowerContext,
  run: (env: Environment, options: ExpandOptions) => { value: T; diagnostics: readonly Diagnostic[] },
): T {
  const told = new Set<string>()
  let required: VariableUse | undefined
  const options: ExpandOptions = {
    escape: cx.escape,
    onUse: (use) => {
      if (use.defined) return
      if (state.base.isStandIn) cx.unsure(span)
      if (use.operator?.endsWith('?')) required = use
      // A name is reported once a word, as BuildKit does.
      if (toleratesUnset(use) || told.has(use.name)) return
      told.add(use.name)
      reportUndefined(use, state, cx)
    },
  }
  const { value, diagnostics } = run((name) => state.env.get(name), options)
  for (const diagnostic of diagnostics) {
    const use = diagnostic.code === 'VariableRequired' ? required : undefined
    const isMeant = use !== undefined && use.span.start === diagnostic.span?.start
    cx.report(isMeant ? { ...diagnostic, ...helpWith(use, state, cx) } : diagnostic)
  }
  return value
}

/** Arguments for the builder itself; neither RUN nor words ever see them (field.md §1.5 "Builtin build-args"). */
export const builderOnly: ReadonlySet<string> = new Set([
  'BUILDKIT_SBOM_SCAN_CONTEXT',
  'BUILDKIT_SBOM_SCAN_STAGE',
])

function reportUndefined(use: VariableUse, state: StageState, cx: LowerContext): void {
  if (state.unset.has(use.name)) return
  // What an unknown image sets is no mistake.
  if (builderOnly.has(use.name) || state.base.isStandIn) return
  const close = cx.nearest(use.name, state.env.keys())
  cx.report({ ...undefinedVariable(use, close), ...elsewhere(use, close, cx) })
}

/** Where a name is set, or `close`, which was perhaps meant. */
function elsewhere(use: VariableUse, close: string | undefined, cx: LowerContext): Elsewhere {
  // The places of a trigger are not the file's.
  return cx.isTrigger ? {} : cx.elsewhere(use, cx.stage.index, close)
}

/** What helps with a variable that has to be set. */
function helpWith(use: VariableUse, state: StageState, cx: LowerContext): Elsewhere {
  // Two edits make any short name of any other.
  const close = use.name.length < 4 ? undefined : cx.nearest(use.name, state.env.keys())
  const hint = close === undefined ? {} : { hint: `did you mean $${close}?` }
  return { ...hint, ...elsewhere(use, close, cx) }
}

/**
 * Whether the operator says what an unset variable means, or makes it an error of its own.
 * Differs: BuildKit also warns about `${x:-default}`, whose writer has thought of an unset x.
 */
export function toleratesUnset({ operator }: VariableUse): boolean {
  return operator !== undefined && /^:?[-+?]$/.test(operator)
}
