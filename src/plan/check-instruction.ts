// The checks of an instruction that need the state it meets and nothing that it does.
import type { Diagnostic } from '../core/diagnostic.ts'
import { checkJsonArgs } from '../dockerfile/lint/planned/json-args-recommended.ts'
import { checkKeyValueFormat } from '../dockerfile/lint/planned/legacy-key-value-format.ts'
import type { StageInstruction } from './lower/table.ts'
import type { StageState } from './state.ts'

/** What the build checks say of an instruction in the state before it. */
export function checkInstruction({ base, config }: StageState, instruction: StageInstruction): Diagnostic[] {
  switch (instruction.kind) {
    case 'CMD':
    case 'ENTRYPOINT':
      return checkJsonArgs(instruction, base.isStandIn === true || (config.Shell ?? []).length > 0)
    case 'ENV':
    case 'LABEL':
      return checkKeyValueFormat(instruction)
    default:
      return []
  }
}
