// BuildKit's FromPlatformFlagConstDisallowed.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import { formatPlatform, type Platform } from '../../../core/platform.ts'
import type { Stage, Word } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** No constant in `FROM --platform=`, unless the stage is named after it. */
export const fromPlatformFlagConstDisallowed: Rule = {
  name: 'FromPlatformFlagConstDisallowed',
  description: 'FROM --platform flag should not use a constant value',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/from-platform-flag-const-disallowed/',
}

/** `flag` is the word without variables that means `platform`, `written` its text without quotes. */
export function checkConstantPlatform(
  { name = '' }: Stage,
  { flag, written, platform }: { flag: Word; written: string; platform: Platform },
): Diagnostic[] {
  if (name.includes(platform.os) || name.includes(platform.architecture)) return []
  const message = `FROM --platform flag should not use constant value ${JSON.stringify(written)}`
  const hint = `only a build for ${formatPlatform(platform)} will be right; use $BUILDPLATFORM or $TARGETPLATFORM, or name the stage after it`
  return [warningOf(fromPlatformFlagConstDisallowed, { span: flag.span, message, hint })]
}
