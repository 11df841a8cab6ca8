// BuildKit's ExposeProtoCasing.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Span } from '../../../core/span.ts'
import { type Rule, warningOf } from '../rule.ts'

/** `EXPOSE 80/tcp`, not `80/TCP`. */
export const exposeProtoCasing: Rule = {
  name: 'ExposeProtoCasing',
  description: 'Protocol in EXPOSE instruction should be lowercase',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/expose-proto-casing/',
}

/** `port` is the whole word, expanded. */
export function upperCaseProtocol(port: string, span: Span): Diagnostic {
  const message = `Defined protocol '${port}' in EXPOSE instruction should be lowercase`
  return warningOf(exposeProtoCasing, { span, message })
}
