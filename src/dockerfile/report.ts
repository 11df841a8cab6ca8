// Collects what is wrong with a text while it is read.
import { type Diagnostic, mostErrors, tooManyErrors } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'

type Extra = Pick<Diagnostic, 'label' | 'notes' | 'hint'>

/** A list of diagnostics being written. */
export interface Report {
  readonly diagnostics: readonly Diagnostic[]
  /** Whether it takes no more errors; the last one says so. */
  readonly isFull: boolean
  error(code: string, message: string, span: Span, extra?: Extra): void
  warning(code: string, message: string, span: Span, extra?: Extra): void
}

/** A report without entries; `tell` hears of each as it is made. */
export function newReport(tell: (diagnostic: Diagnostic) => void = () => undefined): Report {
  const diagnostics: Diagnostic[] = []
  let errors = 0
  const add = (diagnostic: Diagnostic): void => {
    diagnostics.push(diagnostic)
    tell(diagnostic)
  }
  return {
    diagnostics,
    get isFull() {
      return errors > mostErrors
    },
    error(code, message, span, extra) {
      errors++
      if (errors <= mostErrors) add({ code, severity: 'error', message, span, ...extra })
      else if (errors === mostErrors + 1) add(tooManyErrors(span))
    },
    warning(code, message, span, extra) {
      add({ code, severity: 'warning', message, span, ...extra })
    },
  }
}
