// What else is wrong in a file that cannot be built: found by planning what could be read of it, so that every mistake is
// told of at once and none only after another one is mended.
import type { Diagnostic, Outcome } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Dockerfile } from '../dockerfile/ast.ts'
import { toStages } from '../dockerfile/stages.ts'
import { plan } from './plan.ts'
import type { PlanOptions } from './types.ts'

/**
 * The mistakes a plan of the file would report, images of any kind supposed to exist; none where what has not been
 * understood may be what they come from.
 */
export function furtherMistakes(
  { value: file, diagnostics }: Outcome<Dockerfile>,
  options: PlanOptions,
): readonly Diagnostic[] {
  const { value: stages } = toStages(file)
  if (stages.stages.length === 0 || diagnostics.some(({ code }) => spoils.has(code))) return []
  const unread = file.unread ?? []
  if (unread.includes('FROM')) return []
  const { diagnostics: planned } = plan(stages, { ...options, standIns: true }, {})
  const told = diagnostics.flatMap(({ span }) => (span === undefined ? [] : [span]))
  const mistakes = planned.filter(
    // What is said of a place that was found wrong already would only follow from that.
    ({ severity, span }) => severity === 'error' && !told.some((other) => overlap(other, span)),
  )
  if (!unread.includes('ARG') && !unread.includes('ENV')) return mistakes
  // Any variable may be one that the unread instruction sets.
  return mistakes.filter(({ span }) => span === undefined || !textAt(span, options).includes('$'))
}

function overlap(a: Span, b: Span | undefined): boolean {
  return b !== undefined && a.file === b.file && a.start < b.end && b.start < a.end
}

function textAt({ file, start, end }: Span, { files }: PlanOptions): string {
  return files.find(({ name }) => name === file)?.text.slice(start, end) ?? ''
}

/** Mistakes after which the rest of the file may have been taken for something else. */
const spoils: ReadonlySet<string> = new Set([
  'DuplicateDirective',
  'FileTooLarge',
  'InvalidEscape',
  'TooManyErrors',
  'TooManyInstructions',
  'UnknownSyntax',
  'UnterminatedHeredoc',
])
