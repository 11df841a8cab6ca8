// Tells texts that are no Dockerfile at all, so that one sentence takes the place of a mistake per line, and
// here-documents under instructions that have none.
import type { EscapeCharacter, Range } from './characters.ts'
import { instructionNames } from './instruction-names.ts'
import { instructionText } from './instruction-text.ts'
import { type LogicalLine, spanIn } from './logical-line.ts'
import type { Report } from './report.ts'
import { isNearInstruction } from './unknown-instruction.ts'

/** Whether no line is an instruction and most are not even nearly one, which is reported once. */
export function isForeign(
  lines: readonly LogicalLine[],
  whole: string,
  context: { escape: EscapeCharacter; report: Report },
): boolean {
  const [first] = lines
  if (first === undefined || lines.some((line) => instructionNames.includes(keywordOf(line)))) return false
  const kind = kindOf(whole)
  if (lines.length < 2 && kind === undefined) return false
  const texts = lines.map((line) => instructionText(line, { start: 0, end: line.text.length }, context))
  const near = texts.filter((text) => isNearInstruction(text, instructionNames)).length
  if (near * 2 >= lines.length) return false
  const span = texts[0]?.keyword.span ?? first.span
  context.report.error('NotADockerfile', 'no line of this file begins with an instruction', span, {
    hint: `${kind === undefined ? '' : `it looks like ${kind}; `}name the Dockerfile with --file`,
  })
  return true
}

/** The upper-case word a line begins with. */
export function keywordOf({ text }: LogicalLine): string {
  return (/^[\s\u0085]*(\S*)/.exec(text)?.[1] ?? '').toUpperCase()
}

function kindOf(text: string): string | undefined {
  if (/^\s*#!/.test(text)) return 'a script'
  if (/^\s*<(?:!doctype|html|\?xml|svg)/i.test(text)) return 'an HTML or XML page'
  if (/^\s*[{[]\s*(?:["\]}]|$)/.test(text)) return 'JSON'
  if (/^services:/m.test(text)) return 'a compose file'
  if (/^apiVersion:/m.test(text)) return 'a Kubernetes manifest'
  if (/^[\w.-]+:[^\n=]*\n\t/m.test(text)) return 'a Makefile'
  if (/^(?:---\s*$|[\w-]+:(?:\s|$))/m.test(text)) return 'YAML'
  return undefined
}

/** The lines below an instruction that would be a here-document's body, had it one. */
export interface StrayHeredoc {
  /** The line that would end it. */
  readonly last: number
  /** `<<EOF` in the text of the instruction. */
  readonly word: Range
}

/** Here-documents announced where there are none (`CMD <<EOF`), each with its end: the lines between are its body. */
export function strayHeredocs(lines: readonly LogicalLine[]): ReadonlyMap<number, StrayHeredoc> {
  const ends = new Map<string, number>()
  const found = new Map<number, StrayHeredoc>()
  const isStray = ({ text, heredocs }: LogicalLine): boolean => heredocs.length === 0 && text.includes('<<')
  if (!lines.some(isStray)) return found
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index]
    if (line === undefined) continue
    const word = line.text.trim()
    if (/^\w{1,100}$/.test(word) && !instructionNames.includes(word.toUpperCase())) ends.set(word, index)
    const match = !isStray(line) ? null : /<<-?\s*["']?(\w+)["']?/.exec(line.text)
    const last = ends.get(match?.[1] ?? '')
    if (match === null || last === undefined) continue
    found.set(index, { last, word: { start: match.index, end: match.index + match[0].length } })
  }
  return found
}

/** Reports a here-document that is none. */
export function reportStrayHeredoc(line: LogicalLine, { word }: StrayHeredoc, report: Report): void {
  const written = line.text.slice(word.start, word.end)
  const name = keywordOf(line)
  const takes = ['RUN', 'COPY', 'ADD'].includes(name)
  const message = takes
    ? `${written} begins no here-document: the quotes of this line do not match, or it is a JSON array`
    : `${name} takes no here-documents`
  const hint = takes ? `write ${written.replace(/["']/g, '')}` : 'RUN, COPY and ADD do'
  report.error('StrayHeredoc', message, spanIn(line, word.start, word.end), { hint })
}
