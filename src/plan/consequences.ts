// Tells mistakes from what only follows from them: in a file that is wrong, findings that another mistake may have
// caused are left out, for they may be gone when that one is mended.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { SourceFile, Span } from '../core/span.ts'
import type { Dockerfile } from '../dockerfile/ast.ts'
import { stageNamePattern } from '../dockerfile/instructions/from.ts'

/**
 * What of `found` does not follow from `mistakes`, which are those of reading the file, nor from other errors that were
 * found. `files` have the text.
 */
export function withoutConsequences(
  found: readonly Diagnostic[],
  mistakes: readonly Diagnostic[],
  { file, files }: { readonly file: Dockerfile; readonly files: readonly SourceFile[] },
): readonly Diagnostic[] {
  const told = mistakes.filter(({ severity }) => severity === 'error')
  const errors = [...told, ...found.filter(({ severity }) => severity === 'error')]
  if (errors.length === 0) return found
  const text = files.find(({ name }) => name === file.file)?.text ?? ''
  const spoilt = Math.min(...told.map((mistake) => spoiltFrom(mistake, text)))
  const wrong = firstWrong(file, errors)
  const isAfter = ({ start }: Span, ...kinds: readonly string[]): boolean =>
    kinds.some((kind) => (wrong.get(kind) ?? Number.POSITIVE_INFINITY) < start)
  const isWhole = spoilt === Number.POSITIVE_INFINITY
  const isRead = isWhole && (file.unread ?? []).length === 0
  const overlapping = overlapsWith(told.flatMap(({ span }) => (span?.file === file.file ? [span] : [])))
  return found.filter((finding) => {
    const { code, span } = finding
    if (ofTheWhole.has(code)) return isRead
    if (code === 'InvalidStageIndex' && !isWhole) return false
    // Its name may be that of an unread stage.
    if (code === 'UnknownTarget') return isWhole && !wrong.has('FROM')
    if (span === undefined || span.file !== file.file) return true
    if (span.start >= spoilt || overlapping(span)) return false
    const written = text.slice(span.start, span.end)
    // It may be the name of an unread stage.
    if (code === 'InvalidReference' && wrong.has('FROM')) return !stageNamePattern.test(written.toLowerCase())
    // A trigger may be any instruction.
    if (code === 'WorkdirRelativePath' && isAfter(span, 'WORKDIR', 'ONBUILD', 'FROM')) return false
    // Nor may it be the working directory that a mount would cover.
    if (code === 'InvalidMount' && !written.startsWith('/') && isAfter(span, 'WORKDIR', 'ONBUILD', 'FROM'))
      return false
    // What depends on a stage may depend on an unread one of that name.
    if (code === 'CircularDependency' && wrong.has('FROM')) return false
    if (code === 'JSONArgsRecommended' && isAfter(span, 'SHELL', 'ONBUILD')) return false
    if (ofTheText.has(code) || !isAfter(span, 'ARG', 'ENV', 'ONBUILD')) return true
    // Any variable may be one that a wrong instruction should have set.
    return !written.includes('$')
  })
}

/** Those of `found` that hold whatever the words at the places `unsure` mean. */
export function withoutUnsure(found: readonly Diagnostic[], unsure: readonly Span[]): readonly Diagnostic[] {
  if (unsure.length === 0) return found
  const overlapping = overlapsWith(unsure)
  return found.filter(({ code, span }) => span === undefined || ofTheText.has(code) || !overlapping(span))
}

/** Whether a span has something in common with one of `spans`, all of one file. */
function overlapsWith(spans: readonly Span[]): (span: Span) => boolean {
  const sorted = [...spans].sort((a, b) => a.start - b.start)
  // How far anything reaches that begins no later.
  const reached: number[] = []
  for (const { end } of sorted) reached.push(Math.max(end, reached.at(-1) ?? 0))
  return ({ start, end }) => {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sorted[middle]?.start ?? 0) < end) low = middle + 1
      else high = middle
    }
    return low > 0 && (reached[low - 1] ?? 0) > start
  }
}

/** Where the kinds of instructions that decide about what follows are wrong first: what is wrong there is not its own consequence. */
function firstWrong(
  { instructions, unread = [] }: Dockerfile,
  errors: readonly Diagnostic[],
): ReadonlyMap<string, number> {
  const first = new Map<string, number>()
  const add = (kind: string, { start }: Span): void => {
    first.set(kind, Math.min(start, first.get(kind) ?? Number.POSITIVE_INFINITY))
  }
  for (const { name, span } of unread) add(name, span)
  const spans = errors.flatMap(({ span }) => (span === undefined ? [] : [span]))
  const wrongIn = overlapsWith(spans)
  const found = new Set<string>()
  for (const { kind, span } of instructions) {
    if (!deciding.has(kind) || found.has(kind) || !wrongIn(span)) continue
    found.add(kind)
    const within = spans.filter(({ start, end }) => start < span.end && end > span.start)
    const start = Math.max(span.start, Math.min(...within.map((one) => one.start)))
    add(kind, { ...span, start })
  }
  return first
}

const deciding: ReadonlySet<string> = new Set(['ARG', 'ENV', 'ONBUILD', 'SHELL', 'WORKDIR'])

/** From where on a mistake may have made the reader take the file for something else. */
function spoiltFrom({ code, span }: Diagnostic, text: string): number {
  if (span === undefined) return Number.POSITIVE_INFINITY
  const written = text.slice(span.start, span.end)
  if (code === 'InvalidEscape' || (code === 'DuplicateDirective' && /^#\s*escape/i.test(written))) return 0
  return spoils.has(code) ? span.start : Number.POSITIVE_INFINITY
}

const spoils: ReadonlySet<string> = new Set(['TooManyErrors', 'TooManyInstructions', 'UnterminatedHeredoc'])

/** Findings that any instruction could take back. */
const ofTheWhole: ReadonlySet<string> = new Set(['UnusedBuildArg', 'UnknownCacheFilter'])

/** Mistakes that show in the text alone, whatever variables are set to. */
const ofTheText: ReadonlySet<string> = new Set(['InvalidSubstitution', 'ExpansionTooDeep'])
