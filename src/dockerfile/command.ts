// The argument of RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK CMD: exec form, or a text for the shell.
import type { Command, Word } from './ast.ts'
import type { Range } from './characters.ts'
import type { InstructionText } from './instruction-text.ts'
import { readJsonArray } from './json-array.ts'
import { spanIn, wordIn } from './logical-line.ts'

/** The command in `range` of the logical text (usually all arguments); undefined after reporting a mixed array. */
export function readCommand(text: InstructionText, range: Range = text.split.args): Command | undefined {
  const { line } = text
  const { start, end } = range
  const span = spanIn(line, start, end)
  const source = line.text.slice(start, end)
  const strings = readStrings(text, range)
  if (strings === 'mixed') return undefined
  if (strings === 'none') return { form: 'shell', text: source, span }
  return { form: 'exec', args: strings.map((word) => word.text), span }
}

/** The strings of a JSON array; `none` when the text is not JSON; `mixed` (reported) when not all are strings. */
export function readStrings(text: InstructionText, range: Range): readonly Word[] | 'none' | 'mixed' {
  const { line, report } = text
  const array = readJsonArray(line.text.slice(range.start, range.end))
  if (array.kind === 'none') return 'none'
  const placed = (at: Range) => ({ start: at.start + range.start, end: at.end + range.start })
  if (array.kind === 'strings') {
    return array.elements.map((e) => wordIn(line, { text: e.text, ...placed(e) }))
  }
  const message = 'when using JSON array syntax, arrays must be comprised of strings only'
  const { start, end } = placed(array.element)
  report.error('InvalidJsonArray', message, spanIn(line, start, end), {
    label: 'not a string',
    hint: 'strings stand in double quotes',
  })
  return 'mixed'
}
