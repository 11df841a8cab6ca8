// Instructions to build stages: what each FROM owns, and how stages are found by name.
import type { Outcome } from '../core/diagnostic.ts'
import type { Arg, Dockerfile, Instruction, Stage, Stages } from './ast.ts'

/**
 * The stages of a file in order. Names are lower-cased; one name may be given twice (a lookup finds the last).
 * Instructions before the first FROM other than ARG have been reported by `parseDockerfile` and are left out.
 */
export function toStages(file: Dockerfile): Outcome<Stages> {
  const global: Arg[] = []
  const stages: Stage[] = []
  let instructions: Exclude<Instruction, { kind: 'FROM' }>[] = []
  for (const instruction of file.instructions) {
    if (instruction.kind === 'FROM') {
      instructions = []
      const name = instruction.as?.text.toLowerCase()
      stages.push({
        index: stages.length,
        ...(name === undefined ? {} : { name }),
        from: instruction,
        instructions,
        span: instruction.span,
      })
      continue
    }
    const stage = stages.at(-1)
    if (stage !== undefined) {
      instructions.push(instruction)
      stages[stage.index] = { ...stage, span: { ...stage.span, end: instruction.span.end } }
    } else if (instruction.kind === 'ARG') {
      global.push(instruction)
    }
  }
  return { value: { global, stages, escape: file.escape }, diagnostics: [] }
}

/** The stage that `name` means: a stage's name in any case, the last that has it, among those before index `before`. */
export function stageNamed(
  stages: readonly Stage[],
  name: string,
  before = stages.length,
): Stage | undefined {
  const wanted = name.toLowerCase()
  return stages.findLast((stage) => stage.index < before && stage.name === wanted)
}
