// A Dockerfile's text to its tree: every mistake of the file is reported, and what is right is kept.
import { hasErrors, type Outcome } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Dockerfile, Instruction, Unread } from './ast.ts'
import type { EscapeCharacter } from './characters.ts'
import { checkSyntax } from './directives.ts'
import { isForeign, keywordOf, reportStrayHeredoc, strayHeredocs } from './foreign-text.ts'
import { readLines } from './lines.ts'
import type { LogicalLine } from './logical-line.ts'
import { parseInstruction } from './parse-instruction.ts'
import { newReport, type Report } from './report.ts'
import { nothingAbove } from './unknown-instruction.ts'
import { missingFrom, unreadFrom, unreadIn } from './unread.ts'

/**
 * The Dockerfile written in `text`; `fileName` is how spans name it. `syntax` (BUILDKIT_SYNTAX) takes the place of
 * what the file says of its syntax. Never throws on any text.
 */
export function parseDockerfile(text: string, fileName: string, syntax?: string): Outcome<Dockerfile> {
  const report = newReport()
  const whole = { file: fileName, start: 0, end: 0 }
  const nothing: Dockerfile = { file: fileName, escape: '\\', directives: [], instructions: [] }
  if (text.length === 0) {
    report.error('EmptyDockerfile', 'the Dockerfile cannot be empty', whole, { hint: beginning })
    return { value: nothing, diagnostics: report.diagnostics }
  }
  const { value: read, diagnostics } = readLines(text, fileName)
  const foreign = checkSyntax({ text, file: fileName, directives: read.directives }, syntax)
  if (foreign?.isMisspelt === false) return { value: nothing, diagnostics: [foreign.diagnostic] }
  const context = { escape: read.escape, report }
  const { instructions, unread } = isForeign(read.lines, text, context)
    ? { instructions: [], unread: [] }
    : parseLines(read.lines, context)
  if (read.lines.length === 0 && !hasErrors(diagnostics)) {
    const span = { file: fileName, ...lastLine(text) }
    report.error('EmptyDockerfile', 'file with no instructions', span, { hint: beginning })
  }
  return {
    value: {
      file: fileName,
      escape: read.escape,
      directives: read.directives,
      ...(read.misspeltDirectives.length === 0 ? {} : { misspeltDirectives: read.misspeltDirectives }),
      ...(read.lateDirectives.length === 0 ? {} : { lateDirectives: read.lateDirectives }),
      instructions,
      ...(unread.length === 0 ? {} : { unread }),
    },
    diagnostics: inOrder([
      ...(foreign === undefined ? [] : [foreign.diagnostic]),
      ...diagnostics,
      ...report.diagnostics,
    ]),
  }
}

function lastLine(text: string): Pick<Span, 'start' | 'end'> {
  let end = text.endsWith('\n') ? text.length - 1 : text.length
  const start = text.slice(0, end).lastIndexOf('\n') + 1
  while (end > start && text[end - 1] === '\r') end--
  return { start, end }
}

const unknown = 'UnknownInstruction'
const beginning = 'a build begins with FROM image'

function parseLines(
  lines: readonly LogicalLine[],
  context: { escape: EscapeCharacter; report: Report },
): { readonly instructions: readonly Instruction[]; readonly unread: readonly Unread[] } {
  const instructions: Instruction[] = []
  const unread: Unread[] = []
  const { report } = context
  const above = nothingAbove()
  let hasStage = false
  let isBegun = false
  let hasUnknown = false
  let isMisplaced = false
  const strays = strayHeredocs(lines)
  let from = 0
  for (const [index, line] of lines.entries()) {
    if (index < from) continue
    const stray = strays.get(index)
    const before = report.diagnostics.length
    const instruction = parseInstruction(line, { ...context, above })
    // A FROM that is wrong, and a word that may have been meant as one, still stand where a stage begins.
    hasStage ||= keywordOf(line) === 'FROM'
    const isUnknown = instruction === undefined && (report.diagnostics[before]?.code ?? unknown) === unknown
    hasUnknown ||= isUnknown
    if (!isUnknown) {
      above.line = line
      above.told.delete('continuation')
    }
    if (stray !== undefined && !isUnknown) {
      reportStrayHeredoc(line, stray, report)
      from = stray.last + 1
    }
    if (report.isFull) break
    if (instruction === undefined) {
      const left = unreadIn(line, context)
      unread.push(left)
      if (left.name === 'FROM') {
        instructions.push(unreadFrom(line, context))
        isBegun = true
      }
      continue
    }
    if (!hasStage && !hasUnknown && !isMisplaced && instruction.kind !== 'ARG') {
      isMisplaced = true
      const from = lines.find((other) => keywordOf(other) === 'FROM')
      const hint = `only ARG may stand before the first FROM${from === undefined ? ', and there is none' : ''}`
      const notes = from === undefined ? [] : [{ span: from.span, text: 'the first stage begins here' }]
      report.error('NoBuildStage', 'no build stage in current context', instruction.keyword.span, {
        hint,
        notes,
      })
    }
    if (!isBegun && instruction.kind !== 'ARG' && instruction.kind !== 'FROM') {
      instructions.push(missingFrom(instruction))
      isBegun = true
    }
    isBegun ||= instruction.kind === 'FROM'
    instructions.push(instruction)
  }
  const last = lines.at(-1)
  if (last !== undefined && !hasStage && !hasUnknown && !isMisplaced) {
    report.error('NoStages', 'dockerfile contains no stages to build', last.span, {
      hint: beginning,
    })
  }
  return { instructions, unread }
}

function inOrder(diagnostics: Outcome<unknown>['diagnostics']): Outcome<unknown>['diagnostics'] {
  return [...diagnostics].sort((a, b) => (a.span?.start ?? 0) - (b.span?.start ?? 0))
}
