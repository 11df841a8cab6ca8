// BuildKit's ExposeInvalidFormat.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Span } from '../../../core/span.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Ports of the container alone: addresses and host ports are the business of whoever starts it. */
export const exposeInvalidFormat: Rule = {
  name: 'ExposeInvalidFormat',
  description:
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/expose-invalid-format/',
}

/** `port` is the whole word, expanded. */
export function mappedPort(port: string, span: Span): Diagnostic {
  const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`
  return warningOf(exposeInvalidFormat, { span, message })
}
