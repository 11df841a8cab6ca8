// The ONBUILD triggers a stage runs right after FROM: those of its base image, or of the stage it builds on.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import { parseTrigger } from '../dockerfile/trigger.ts'
import { isStageInstruction, type StageInstruction } from './lower/table.ts'
import type { StageInfo } from './stages.ts'

/** The triggers of the stage `info` builds on; their spans are their own. */
export function triggersOfStage(base: StageInfo): StageInstruction[] {
  if (base.isReplaced) return []
  return base.stage.instructions.flatMap((instruction) =>
    instruction.kind === 'ONBUILD' && isStageInstruction(instruction.trigger) ? [instruction.trigger] : [],
  )
}

/** The triggers an image's config keeps as text. They have no place in the file, so everything about them points at `span`. */
export function triggersOfImage(
  texts: readonly string[],
  span: Span,
  report: (diagnostic: Diagnostic) => void,
): StageInstruction[] {
  return texts.flatMap((text) => {
    const { value, diagnostics } = parseTrigger(text, '\\', span.file)
    for (const diagnostic of diagnostics) {
      const { notes, ...rest } = diagnostic
      report({ ...rest, span, label: `the base image says ONBUILD ${text.split('\n', 1)[0] ?? ''}` })
    }
    return value !== undefined && isStageInstruction(value) ? [relocate(value, span)] : []
  })
}

/** A copy of an AST value in which every span is `span`. */
function relocate<T>(value: T, span: Span): T {
  if (Array.isArray(value)) return value.map((item: unknown) => relocate(item, span)) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === 'span' || key === 'contentSpan' ? span : relocate(member as unknown, span),
    ]),
  ) as T
}
