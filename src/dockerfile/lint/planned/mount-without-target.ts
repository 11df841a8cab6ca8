// A RUN --mount that does not say where it goes.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Span } from '../../../core/span.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Differs: BuildKit documents the target as required, and covers the working directory where there is none. */
export const mountWithoutTarget: Rule = {
  name: 'MountWithoutTarget',
  description:
    'RUN --mount should say where the mount goes: without a target it covers the working directory',
  origin: 'slipway',
}

export function missingTarget(kind: string, workdir: string, span: Span): Diagnostic {
  const message = `${kind} mount has no target and covers the working directory ${workdir}`
  return warningOf(mountWithoutTarget, { span, message, hint: 'say where it goes: target=<path>' })
}
