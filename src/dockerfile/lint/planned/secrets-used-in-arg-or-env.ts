// BuildKit's SecretsUsedInArgOrEnv: ENV and ARG values stay readable in the image or its history.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Span } from '../../../core/span.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Secrets as `RUN --mount=type=secret`, not as variables. */
export const secretsUsedInArgOrEnv: Rule = {
  name: 'SecretsUsedInArgOrEnv',
  description: 'Sensitive data should not be used in the ARG or ENV commands',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/',
}

const secret = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i
const harmless = /(?:_|^)(?:public|file|version)(?:_|$)/i

/** A variable whose name says that it holds a secret. */
export function checkSecretName(kind: 'ENV' | 'ARG', key: string, span: Span): Diagnostic[] {
  if (!secret.test(key) || harmless.test(key)) return []
  const message = `Do not use ARG or ENV instructions for sensitive data (${kind} ${JSON.stringify(key)})`
  return [warningOf(secretsUsedInArgOrEnv, { span, message })]
}
