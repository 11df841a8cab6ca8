// A Dockerfile's text to its tree: every mistake of the file is reported, and what is right is kept.
import { hasErrors, type Outcome } from '../core/diagnostic.ts'
import type { Dockerfile, Instruction } from './ast.ts'
import type { EscapeCharacter } from './characters.ts'
import { checkDirectives } from './directives.ts'
import { readLines } from './lines.ts'
import type { LogicalLine } from './logical-line.ts'
import { parseInstruction } from './parse-instruction.ts'
import { newReport, type Report } from './report.ts'

/** A file with more mistakes than this is no Dockerfile; the rest is not reported. */
const maxErrors = 1000

/** The Dockerfile written in `text`; `fileName` is how spans name it. Never throws on any text. */
export function parseDockerfile(text: string, fileName: string): Outcome<Dockerfile> {
  const report = newReport()
  const whole = { file: fileName, start: 0, end: 0 }
  const nothing: Dockerfile = { file: fileName, escape: '\\', directives: [], instructions: [] }
  if (text.length === 0) {
    report.error('EmptyDockerfile', 'the Dockerfile cannot be empty', whole)
    return { value: nothing, diagnostics: report.diagnostics }
  }
  const { value: read, diagnostics } = readLines(text, fileName)
  checkDirectives(read.directives, report)
  const instructions = parseLines(read.lines, { escape: read.escape, report })
  if (read.lines.length === 0 && !hasErrors(diagnostics)) {
    const span = { file: fileName, start: text.length, end: text.length }
    report.error('EmptyDockerfile', 'file with no instructions', span)
  }
  return {
    value: {
      file: fileName,
      escape: read.escape,
      directives: read.directives,
      ...(read.lateDirectives.length === 0 ? {} : { lateDirectives: read.lateDirectives }),
      instructions,
    },
    diagnostics: inOrder([...diagnostics, ...report.diagnostics]),
  }
}

function parseLines(
  lines: readonly LogicalLine[],
  context: { escape: EscapeCharacter; report: Report },
): readonly Instruction[] {
  const instructions: Instruction[] = []
  const { report } = context
  let hasStage = false
  let hasUnknown = false
  let isMisplaced = false
  for (const line of lines) {
    const before = report.diagnostics.length
    const instruction = parseInstruction(line, context)
    // A FROM that is wrong, and a word that may have been meant as one, still stand where a stage begins.
    const [, keyword = ''] = /^[\s\u0085]*(\S*)/.exec(line.text) ?? []
    hasStage ||= keyword.toUpperCase() === 'FROM'
    hasUnknown ||= instruction === undefined && report.diagnostics.at(before)?.code === 'UnknownInstruction'
    if (instruction === undefined) {
      if (report.diagnostics.length < maxErrors) continue
      report.error('TooManyErrors', 'too many errors; the rest of the file is not checked', line.span)
      break
    }
    if (!hasStage && !hasUnknown && !isMisplaced && instruction.kind !== 'ARG') {
      isMisplaced = true
      const hint = 'only ARG may stand before the first FROM'
      report.error('NoBuildStage', 'no build stage in current context', instruction.keyword.span, { hint })
    }
    instructions.push(instruction)
  }
  const last = lines.at(-1)
  if (last !== undefined && !hasStage && !hasUnknown && !isMisplaced) {
    report.error('NoStages', 'dockerfile contains no stages to build', last.span, {
      hint: 'add a FROM instruction',
    })
  }
  return instructions
}

function inOrder(diagnostics: Outcome<unknown>['diagnostics']): Outcome<unknown>['diagnostics'] {
  return [...diagnostics].sort((a, b) => (a.span?.start ?? 0) - (b.span?.start ?? 0))
}
