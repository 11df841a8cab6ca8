// What a Dockerfile may say and slipway does not do yet: always an error that names it, never silence.
import type { Diagnostic } from '../../core/diagnostic.ts'
import type { Span } from '../../core/span.ts'

/** `what` (`RUN --mount`, `ADD of a URL`) as not done yet, with what to do instead. */
export function unsupported(what: string, span: Span, hint: string): Diagnostic {
  return { code: 'NotSupportedYet', severity: 'error', message: `${what} is not supported yet`, span, hint }
}
