// What stages take from elsewhere besides their base: COPY --from and the `from=` of RUN mounts. Also the
// mistakes that show in these edges alone: bad indexes and cycles.
import type { Diagnostic } from '../core/diagnostic.ts'
import { invariant } from '../core/error.ts'
import type { Word } from '../dockerfile/ast.ts'
import { mountFrom, mountTarget } from '../dockerfile/mount.ts'
import type { StageInstruction } from './lower/table.ts'
import { type Origin, originOf, type StageInfo, stagesByName } from './stages.ts'
import type { PlanOptions } from './types.ts'

/** One file system an instruction reads. */
export interface Source {
  readonly from: Word
  readonly origin: Origin
  /** Where a RUN mounts it, as written; absent for COPY. */
  readonly mountedAt?: string
}

/** What the `from` words of a file's instructions mean. Names are looked up over all stages, later ones too. */
export function sourceReader(
  infos: readonly StageInfo[],
  options: PlanOptions,
  report: (diagnostic: Diagnostic) => void,
): (instruction: StageInstruction) => readonly Source[] {
  const byName = stagesByName(infos)
  const read = new Map<StageInstruction, readonly Source[]>()
  const originOfWord = (word: Word, canBeIndex: boolean): Origin | undefined => {
    const { text } = word
    if (canBeIndex && /^[+-]?\d+$/.test(text)) {
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
    const sources = fromWords(instruction).flatMap((named) => {
      const origin = originOfWord(named.from, named.mountedAt === undefined)
      return origin === undefined ? [] : [{ ...named, origin }]
    })
    read.set(instruction, sources)
    return sources
  }
}

function fromWords(instruction: StageInstruction): Omit<Source, 'origin'>[] {
  switch (instruction.kind) {
    case 'COPY':
      return instruction.from === undefined ? [] : [{ from: instruction.from }]
    case 'RUN':
      return instruction.mounts.flatMap((mount) => {
        const from = mountFrom(mount)
        return from === undefined ? [] : [{ from, mountedAt: mountTarget(mount)?.text ?? '' }]
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

/** A file with more circles than this has them all for one reason. */
const mostCircles = 20

/**
 * Reports each circle that the stages' edges close; the answer is what names the stages in them, or that there are more
 * than one wants to hear of. A base is always an earlier stage and closes none by itself. Differs: BuildKit sees circles
 * that bases are part of only where it needs the stages, as a stage that is copied from too early.
 */
export function reportCycles(
  infos: readonly StageInfo[],
  edgesOf: (index: number) => readonly Edge[],
  report: (diagnostic: Diagnostic) => void,
): ReadonlySet<Word> | 'too many' {
  let circles = 0
  const named = new Set<Word>()
  const nameOf = (index: number): string => infos[index]?.stage.name ?? `stage-${index}`
  const seen = new Set<number>()
  // An own stack: a file may have more stages than a call stack has room for.
  const path: { readonly edge: Edge; readonly rest: Iterator<Edge> }[] = []
  const places = new Map<number, number>()
  const follow = (edge: Edge): void => {
    const at = places.get(edge.to)
    if (at !== undefined) {
      circles++
      const edges = [...path.slice(at + 1).map((step) => step.edge), edge]
      for (const { from } of edges) named.add(from)
      report(circleOf(edges, nameOf))
    } else if (!seen.has(edge.to)) {
      seen.add(edge.to)
      places.set(edge.to, path.length)
      path.push({ edge, rest: edgesOf(edge.to).values() })
    }
  }
  for (const { stage } of infos) {
    follow({ to: stage.index, from: stage.from.image })
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const next = circles < mostCircles ? last.rest.next().value : undefined
      if (next !== undefined) {
        follow(next)
        continue
      }
      path.pop()
      places.delete(last.edge.to)
    }
  }
  return circles < mostCircles ? named : 'too many'
}

/** The report of edges that end where the first one started. */
function circleOf(edges: readonly Edge[], nameOf: (index: number) => string): Diagnostic {
  const [first, ...others] = edges
  const last = edges.at(-1)
  invariant(first !== undefined && last !== undefined, 'a circle has edges')
  const between = edges.slice(0, -1).map(({ to }) => nameOf(to))
  const via = between.length === 0 ? 'itself' : `itself via ${between.join(' → ')}`
  return {
    code: 'CircularDependency',
    severity: 'error',
    message: `circular dependency detected on stage: ${nameOf(last.to)} (it depends on ${via})`,
    span: first.from.span,
    label: `needs ${nameOf(first.to)}`,
    notes: others.map(({ to, from }) => ({ span: from.span, text: `needs ${nameOf(to)}` })),
    hint: 'a stage can only use what earlier stages have made',
  }
}
