// Collects what is wrong with a text while it is read.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'

type Extra = Pick<Diagnostic, 'label' | 'notes' | 'hint'>

/** A list of diagnostics being written. */
export interface Report {
  readonly diagnostics: readonly Diagnostic[]
  error(code: string, message: string, span: Span, extra?: Extra): void
  warning(code: string, message: string, span: Span, extra?: Extra): void
}

export function newReport(): Report {
  const diagnostics: Diagnostic[] = []
  return {
    diagnostics,
    error(code, message, span, extra) {
      diagnostics.push({ code, severity: 'error', message, span, ...extra })
    },
    warning(code, message, span, extra) {
      diagnostics.push({ code, severity: 'warning', message, span, ...extra })
    },
  }
}
