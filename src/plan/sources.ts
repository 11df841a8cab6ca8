// What stages take from elsewhere besides their base: COPY --from and the `from=` of RUN mounts. Also the
// mistakes that show in these edges alone: bad indexes and cycles.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Word } from '../dockerfile/ast.ts'
import type { StageInstruction } from './lower/table.ts'
import { type Origin, originOf, type StageInfo } from './stages.ts'
import type { PlanOptions } from './types.ts'

/** One file system an instruction reads. */
export interface Source {
  readonly from: Word
  readonly origin: Origin
}

/** What the `from` words of a file's instructions mean. Names are looked up over all stages, later ones too. */
export function sourceReader(
  infos: readonly StageInfo[],
  options: PlanOptions,
  report: (diagnostic: Diagnostic) => void,
): (instruction: StageInstruction) => readonly Source[] {
  const byName = new Map(
    infos.flatMap(({ stage }) => (stage.name === undefined ? [] : [[stage.name, stage.index] as const])),
  )
  const read = new Map<StageInstruction, readonly Source[]>()
  const originOfWord = (word: Word): Origin | undefined => {
    const { text } = word
    if (/^[+-]?\d+$/.test(text)) {
      const index = Number(text)
      if (index >= 0 && index < infos.length) return { kind: 'stage', index }
      report({
        code: 'InvalidStageIndex',
        severity: 'error',
        message: `invalid stage index ${text}`,
        span: word.span,
        hint:
          infos.length === 1
            ? 'the only stage is 0'
            : `the stages are numbered from 0 to ${infos.length - 1}`,
      })
      return undefined
    }
    return originOf(text, byName, word.span, options)
  }
  return (instruction) => {
    const known = read.get(instruction)
    if (known !== undefined) return known
    const sources = fromWords(instruction).flatMap((from) => {
      const origin = originOfWord(from)
      return origin === undefined ? [] : [{ from, origin }]
    })
    read.set(instruction, sources)
    return sources
  }
}

function fromWords(instruction: StageInstruction): Word[] {
  switch (instruction.kind) {
    case 'COPY':
      return instruction.from === undefined ? [] : [instruction.from]
    case 'RUN':
      return instruction.mounts.flatMap((mount) => {
        const text = /(?:^|,)from=([^,]*)/.exec(mount.text)?.[1]
        return text === undefined ? [] : [{ text, span: mount.span }]
      })
    default:
      return []
  }
}

/** A way from one stage to another that it needs. */
export interface Edge {
  readonly to: number
  readonly from: Word
}

/** Whether the stages' edges close a circle; each that does is reported. A base is always an earlier stage and closes none by itself. */
export function reportCycles(
  infos: readonly StageInfo[],
  edgesOf: (index: number) => readonly Edge[],
  report: (diagnostic: Diagnostic) => void,
): boolean {
  let isCircular = false
  const nameOf = (index: number): string => infos[index]?.stage.name ?? `stage-${index}`
  const done = new Set<number>()
  const visit = (index: number, path: readonly Edge[]): void => {
    const at = path.findIndex((edge) => edge.to === index)
    if (at !== -1 && at !== path.length - 1) {
      const circle = path.slice(at + 1)
      const [first, ...others] = circle
      if (first === undefined) return
      const via =
        others.length === 0
          ? 'itself'
          : `itself via ${circle
              .slice(0, -1)
              .map((e) => nameOf(e.to))
              .join(' → ')}`
      isCircular = true
      report({
        code: 'CircularDependency',
        severity: 'error',
        message: `circular dependency detected on stage: ${nameOf(index)} (it depends on ${via})`,
        span: first.from.span,
        notes: others.map((edge) => ({ span: edge.from.span, text: `needs ${nameOf(edge.to)}` })),
        hint: 'a stage can only use what earlier stages have made',
      })
      return
    }
    if (done.has(index)) return
    done.add(index)
    for (const edge of edgesOf(index)) visit(edge.to, [...path, edge])
  }
  for (const { stage } of infos) visit(stage.index, [{ to: stage.index, from: stage.from.image }])
  return isCircular
}
