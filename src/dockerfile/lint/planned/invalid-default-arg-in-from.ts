// BuildKit's InvalidDefaultArgInFrom.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { From } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** A file that builds without any build arg. */
export const invalidDefaultArgInFrom: Rule = {
  name: 'InvalidDefaultArgInFrom',
  description: 'Default value for global ARG results in an empty or invalid base image name',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/invalid-default-arg-in-from/',
}

/** FROM's image when it is no image name with the defaults alone. */
export function invalidDefault({ image }: From): Diagnostic {
  const message = `Default value for ARG ${image.text} results in empty or invalid base image name`
  return warningOf(invalidDefaultArgInFrom, { span: image.span, message })
}
