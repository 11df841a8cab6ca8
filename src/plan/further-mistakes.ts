// What else is wrong in a file that cannot be built: found by planning what could be read of it, so that every mistake is
// told of at once and none only after another one is mended.
import type { Diagnostic, Outcome } from '../core/diagnostic.ts'
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
  if ((file.unread ?? []).some((name) => decides.has(name))) return []
  const { diagnostics: planned } = plan(stages, { ...options, standIns: true }, {})
  return planned.filter(({ severity }) => severity === 'error')
}

/** Instructions that others take their meaning from. */
const decides: ReadonlySet<string> = new Set(['ARG', 'ENV', 'FROM', 'ONBUILD'])

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
