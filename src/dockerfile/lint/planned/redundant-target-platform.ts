// BuildKit's RedundantTargetPlatform.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Word } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** No `FROM --platform=$TARGETPLATFORM`. */
export const redundantTargetPlatform: Rule = {
  name: 'RedundantTargetPlatform',
  description:
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/redundant-target-platform/',
}

export function redundantPlatform({ text, span }: Word): Diagnostic {
  const message = `Setting platform to predefined ${text} in FROM is redundant as this is the default behavior`
  return warningOf(redundantTargetPlatform, { span, message, hint: 'leave --platform out' })
}
