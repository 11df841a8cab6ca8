// BuildKit's check SecretsUsedInArgOrEnv: ENV and ARG values stay readable in the image or its history.
import type { Span } from '../../core/span.ts'
import type { LowerContext } from '../state.ts'

const secret = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i
const harmless = /(?:_|^)(?:public|file|version)(?:_|$)/i

/** Warns when a variable's name says that it holds a secret. */
export function reportSecretName(
  instruction: 'ENV' | 'ARG',
  key: string,
  span: Span,
  cx: LowerContext,
): void {
  if (!secret.test(key) || harmless.test(key)) return
  cx.report({
    code: 'SecretsUsedInArgOrEnv',
    severity: 'warning',
    message: `Do not use ARG or ENV instructions for sensitive data (${instruction} "${key}")`,
    span,
  })
}
