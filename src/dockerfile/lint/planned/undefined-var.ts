// BuildKit's UndefinedVar.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { VariableUse } from '../../expand.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Variables that ENV or ARG has set before. */
export const undefinedVar: Rule = {
  name: 'UndefinedVar',
  description: 'Variables should be defined before their use',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/undefined-var/',
}

/** The use of a variable that nothing has set; `close` is the name that was perhaps meant. */
export function undefinedVariable({ name, span }: VariableUse, close: string | undefined): Diagnostic {
  const message = `Usage of undefined variable '$${name}'${close === undefined ? '' : ` (did you mean $${close}?)`}`
  return warningOf(undefinedVar, { span, message })
}
