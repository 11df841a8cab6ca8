// Two mounts of one RUN at the same place.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Span } from '../../../core/span.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Differs: BuildKit drops the earlier one without a word. */
export const duplicateMountTarget: Rule = {
  name: 'DuplicateMountTarget',
  description:
    'The mounts of a RUN should have targets of their own: of several at one place only the last is there',
  origin: 'slipway',
}

export function coveredMount(target: string, span: Span, later: Span): Diagnostic {
  const message = `a later mount has the same target ${target}, this one is not there`
  return warningOf(duplicateMountTarget, { span, message, notes: [{ span: later, text: 'the later one' }] })
}
