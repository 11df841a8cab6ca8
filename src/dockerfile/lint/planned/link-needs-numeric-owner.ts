// A name in --chown that --link cannot look up.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Span } from '../../../core/span.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Differs: BuildKit gives such files to root (0:0) without a word. */
export const linkNeedsNumericOwner: Rule = {
  name: 'LinkNeedsNumericOwner',
  description:
    'COPY and ADD --link should name owners by number: a linked layer cannot look into the image for names',
  origin: 'slipway',
}

export function namedOwner(kind: 'COPY' | 'ADD', owner: string, span: Span): Diagnostic {
  const message = `${kind} --link is ignored because --chown=${owner} has a name, which only the image below can tell`
  const hint = 'write the numeric user and group ids to keep the layer independent'
  return warningOf(linkNeedsNumericOwner, { span, message, hint })
}
