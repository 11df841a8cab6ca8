// HEALTHCHECK: how a runtime tests the container. Zero and absent figures inherit the runtime's default.
import type { Healthcheck as Instruction } from '../../dockerfile/ast.ts'
import type { Healthcheck } from '../../image/types.ts'
import { goDuration, goQuote, goQuoteAll, goQuoteRune } from '../go-format.ts'
import { type Lower, withConfig, withHistory } from '../state.ts'

export const lowerHealthcheck: Lower<Instruction> = (state, instruction, cx) => {
  const check: Healthcheck = {
    Test: testOf(instruction),
    ...(instruction.interval ? { Interval: instruction.interval } : {}),
    ...(instruction.timeout ? { Timeout: instruction.timeout } : {}),
    ...(instruction.startPeriod ? { StartPeriod: instruction.startPeriod } : {}),
    ...(instruction.startInterval ? { StartInterval: instruction.startInterval } : {}),
    ...(instruction.retries ? { Retries: instruction.retries } : {}),
  }
  return withHistory(withConfig(state, { Healthcheck: check }), `HEALTHCHECK ${formatCheck(check)}`, cx)
}

function testOf({ command }: Instruction): string[] {
  if (command === undefined) return ['NONE']
  return command.form === 'exec' ? ['CMD', ...command.args] : ['CMD-SHELL', command.text]
}

/** Go's `%q` of a pointer to the struct, retries as a character: what released BuildKits write. */
function formatCheck(check: Healthcheck): string {
  const durations = [check.Interval, check.Timeout, check.StartPeriod, check.StartInterval]
  const quoted = durations.map((nanoseconds) => goQuote(goDuration(nanoseconds ?? 0)))
  return `&{${goQuoteAll(check.Test ?? [])} ${quoted.join(' ')} ${goQuoteRune(check.Retries ?? 0)}}`
}
