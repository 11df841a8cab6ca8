// ONBUILD triggers of base images: one instruction's text from an image config.
import type { Outcome } from '../core/diagnostic.ts'
import type { Instruction } from './ast.ts'
import type { EscapeCharacter } from './characters.ts'
import { readLines } from './lines.ts'
import { parseInstruction } from './parse-instruction.ts'
import { newReport } from './report.ts'

/**
 * The instruction in a trigger's text; undefined together with an error. Spans count in `text`. Differs: BuildKit takes
 * directives, ONBUILD and MAINTAINER there, although no Dockerfile puts them into an image.
 */
export function parseTrigger(
  text: string,
  escapeBy: string,
  fileName: string,
): Outcome<Instruction | undefined> {
  const report = newReport()
  const character: EscapeCharacter = escapeBy === '`' ? '`' : '\\'
  const { value: read, diagnostics } = readLines(text, fileName, character)
  const [line, ...more] = read.lines
  if (line === undefined || more.length > 0) {
    const span = { file: fileName, start: 0, end: text.length }
    report.error('InvalidTrigger', 'onbuild trigger should be a single expression', span)
    return { value: undefined, diagnostics: [...diagnostics, ...report.diagnostics] }
  }
  let instruction = parseInstruction(line, { escape: character, report })
  if (instruction?.kind === 'FROM' || instruction?.kind === 'ONBUILD' || instruction?.kind === 'MAINTAINER') {
    const message = `${instruction.kind} isn't allowed as an ONBUILD trigger`
    report.error('InvalidTrigger', message, instruction.keyword.span)
    instruction = undefined
  }
  return { value: instruction, diagnostics: [...diagnostics, ...report.diagnostics] }
}
