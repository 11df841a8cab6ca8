// Instructions to build stages: what each FROM owns, and how stages are found by name.
import type { Outcome } from '../core/diagnostic.ts'
import type { Arg, Dockerfile, Instruction, Stage, Stages, Unread } from './ast.ts'

/**
 * The stages of a file in order. Names are lower-cased; one name may be given twice (a lookup finds the last).
 * What `parseDockerfile` could not read of it, and has reported, is in none of them.
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
    }
    // Where a FROM is missing nobody knows which ARGs shall stand before it.
    const isGlobal = stage === undefined || (stages.length === 1 && stage.from.unread?.isMissing)
    if (isGlobal && instruction.kind === 'ARG') global.push(instruction)
  }
  const unread = file.unread ?? []
  const whole = unread.length === 0 ? stages : withMentions(stages, unread)
  return { value: { global, stages: whole, escape: file.escape }, diagnostics: [] }
}

function withMentions(stages: readonly Stage[], unread: readonly Unread[]): readonly Stage[] {
  // Both are in the order of the file.
  const left = unread.values()
  let next = left.next().value
  return stages.map((stage, index) => {
    const end = stages[index + 1]?.from.span.start ?? Number.POSITIVE_INFINITY
    const mentions: string[] = []
    for (; next !== undefined && next.span.start < end; next = left.next().value) {
      if (next.span.start >= stage.from.span.start) mentions.push(...next.mentions)
    }
    return mentions.length === 0 ? stage : { ...stage, mentions }
  })
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
