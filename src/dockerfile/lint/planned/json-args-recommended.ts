// BuildKit's JSONArgsRecommended.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Cmd, Entrypoint } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** CMD and ENTRYPOINT in exec form, unless a SHELL was chosen on purpose. */
export const jsonArgsRecommended: Rule = {
  name: 'JSONArgsRecommended',
  description:
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/',
}

/** That `instruction` is in shell form; `hasShell` tells whether the image has a SHELL. */
export function checkJsonArgs(instruction: Cmd | Entrypoint, hasShell: boolean): Diagnostic[] {
  const { kind, keyword, command } = instruction
  if (hasShell || command.form === 'exec') return []
  const message = `JSON arguments recommended for ${keyword.text} to prevent unintended behavior related to OS signals`
  const hint = `write it as ${kind} ["executable", "argument"]`
  return [warningOf(jsonArgsRecommended, { span: command.span, message, hint })]
}
