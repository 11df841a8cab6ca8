// BuildKit's InvalidBaseImagePlatform, which has no page of its own.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import { formatPlatform, normalisePlatform, type Platform } from '../../../core/platform.ts'
import type { From } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** A base image for the platform that was asked for. */
export const invalidBaseImagePlatform: Rule = {
  name: 'InvalidBaseImagePlatform',
  description: 'Base image platform does not match expected target platform',
  origin: 'buildkit',
}

/** `name` is FROM's image as the file means it, `actual` what its config says. */
export function checkBasePlatform(
  { image }: From,
  { name, expected, actual }: { name: string; expected: Platform; actual: Platform },
): Diagnostic[] {
  const wanted = normalisePlatform(expected)
  const found = normalisePlatform(actual)
  if (wanted.os === found.os && wanted.architecture === found.architecture) return []
  const message = `Base image ${name} was pulled with platform "${formatPlatform(found)}", expected "${formatPlatform(wanted)}" for current build`
  return [warningOf(invalidBaseImagePlatform, { span: image.span, message })]
}
