// BuildKit's UndefinedArgInFrom.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { VariableUse } from '../../expand.ts'
import { type Rule, warningOf } from '../rule.ts'

/** FROM sees only the ARGs before the first FROM, and the predefined ones. */
export const undefinedArgInFrom: Rule = {
  name: 'UndefinedArgInFrom',
  description: 'FROM command must use declared ARGs',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/undefined-arg-in-from/',
}

/** The use of an argument that is not declared; `close` is the name that was perhaps meant. */
export function undefinedArgument({ name, span }: VariableUse, close: string | undefined): Diagnostic {
  const message = `FROM argument '${name}' is not declared${close === undefined ? '' : ` (did you mean ${close}?)`}`
  return warningOf(undefinedArgInFrom, { span, message })
}
