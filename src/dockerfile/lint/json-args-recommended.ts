// BuildKit's JSONArgsRecommended.
import type { Stage } from '../ast.ts'
import { stageNamed } from '../stages.ts'
import type { Finding, Rule, Subject } from './rule.ts'

/** CMD and ENTRYPOINT in exec form, unless a SHELL was chosen on purpose. */
export const jsonArgsRecommended: Rule = {
  name: 'JSONArgsRecommended',
  description:
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  *check({ stages: { stages } }: Subject): Generator<Finding> {
    const withShell = new Set<Stage>()
    for (const stage of stages) {
      const base = stageNamed(stages, stage.from.image.text, stage.index)
      let hasShell = base !== undefined && withShell.has(base)
      for (const instruction of stage.instructions) {
        if (instruction.kind === 'SHELL') hasShell = true
        if (instruction.kind !== 'CMD' && instruction.kind !== 'ENTRYPOINT') continue
        if (hasShell || instruction.command.form === 'exec') continue
        const message = `JSON arguments recommended for ${instruction.kind} to prevent unintended behavior related to OS signals`
        const hint = `write it as ${instruction.kind} ["executable", "argument"]`
        yield { instruction, span: instruction.command.span, message, hint }
      }
      if (hasShell) withShell.add(stage)
    }
  },
}
