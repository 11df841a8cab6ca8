// HEALTHCHECK: how a runtime tests the container. Zero and absent figures inherit the runtime's default.
import type { Healthcheck as Instruction } from '../../dockerfile/ast.ts'
import type { Healthcheck } from '../../image/types.ts'
import { goDuration, goList } from '../go-format.ts'
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

/** Go's `%+v` of the struct, as BuildKit writes it since 0.30. */
function formatCheck(check: Healthcheck): string {
  const fields = {
    Test: goList(check.Test ?? []),
    Interval: goDuration(check.Interval ?? 0),
    Timeout: goDuration(check.Timeout ?? 0),
    StartPeriod: goDuration(check.StartPeriod ?? 0),
    StartInterval: goDuration(check.StartInterval ?? 0),
    Retries: check.Retries ?? 0,
  }
  const texts = Object.entries(fields).map(([name, value]) => `${name}:${value}`)
  return `{${texts.join(' ')}}`
}
