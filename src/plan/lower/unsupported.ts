// What a Dockerfile may say and slipway does not do yet: always an error that names it, never silence.
import type { Span } from '../../core/span.ts'
import type { LowerContext } from '../state.ts'

/** Reports `what` (`RUN --mount`, `ADD of a URL`) as not done yet, with what to do instead. */
export function reportUnsupported(what: string, span: Span, hint: string, cx: LowerContext): void {
  cx.report({
    code: 'NotSupportedYet',
    severity: 'error',
    message: `${what} is not supported yet`,
    span,
    hint,
  })
}
