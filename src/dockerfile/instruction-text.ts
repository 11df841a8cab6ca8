// What every instruction's reader is given: the instruction cut into parts, and where to report.
import type { Span } from '../core/span.ts'
import type { Flag, Word } from './ast.ts'
import type { EscapeCharacter, Range } from './characters.ts'
import { instructionNames } from './instruction-names.ts'
import { jointBefore, type LogicalLine, spanIn, wordIn } from './logical-line.ts'
import type { Report } from './report.ts'
import { type Split, splitInstruction } from './split.ts'

export interface InstructionText {
  readonly line: LogicalLine
  readonly escape: EscapeCharacter
  readonly report: Report
  readonly keyword: Word
  /** The upper-case name. */
  readonly name: string
  readonly split: Split
  /** The arguments behind name and flags, blanks trimmed. */
  readonly args: string
  readonly argsSpan: Span
}

/** Cuts the instruction within `range` of a logical line. */
export function instructionText(
  line: LogicalLine,
  range: Range,
  context: { escape: EscapeCharacter; report: Report },
): InstructionText {
  const split = splitInstruction(line.text, range, context.escape)
  const keyword = wordIn(line, split.keyword)
  const { start, end } = split.args
  return {
    line,
    escape: context.escape,
    report: context.report,
    keyword,
    name: keyword.text.toUpperCase(),
    split,
    args: line.text.slice(start, end),
    argsSpan: start === end ? keyword.span : spanIn(line, start, end),
  }
}

/** The word at offsets of `args`. */
export function wordOf(text: InstructionText, place: { start: number; end: number; text?: string }): Word {
  const at = text.split.args.start
  const start = place.start + at
  const end = place.end + at
  return wordIn(text.line, place.text === undefined ? { start, end } : { text: place.text, start, end })
}

/** All of the arguments as one word; reports when there are none. */
export function onlyWord(text: InstructionText): Word | undefined {
  if (text.args !== '') return { text: text.args, span: text.argsSpan }
  const message = `${text.name} requires exactly one argument`
  text.report.error('MissingArgument', message, text.keyword.span, exampleOf(text))
  return undefined
}

/** Reports `<NAME> requires at least one argument` and gives nothing. */
export function missingArgument(text: InstructionText): undefined {
  const message = `${text.name} requires at least one argument`
  text.report.error('MissingArgument', message, text.keyword.span, exampleOf(text))
  return undefined
}

/** What to tell of a `#` behind arguments, where it begins no comment. */
export const noComment = 'a comment needs a line of its own'

const examples: Readonly<Record<string, string>> = {
  ARG: 'NAME=default',
  ENV: 'NAME=value',
  EXPOSE: '8080',
  HEALTHCHECK: 'CMD <command>',
  LABEL: 'name=value',
  ONBUILD: '<instruction>',
  SHELL: '["/bin/sh", "-c"]',
  STOPSIGNAL: 'SIGTERM',
  USER: 'nobody',
  VOLUME: '/data',
  WORKDIR: '/app',
}

function exampleOf({ name }: InstructionText): { hint?: string } {
  const example = Object.hasOwn(examples, name) ? examples[name] : undefined
  return example === undefined ? {} : { hint: `for example ${name} ${example}` }
}

/** The fields every instruction has. */
export function commonOf(
  text: InstructionText,
  flags: readonly Flag[],
): {
  span: Span
  keyword: Word
  flags: readonly Flag[]
  original: string
  comments?: readonly string[]
  emptyContinuations?: readonly Span[]
  swallowed?: readonly { name: Word; joint: Span }[]
} {
  const { line, split } = text
  const { comments, emptyContinuations } = line
  const swallowed = swallowedBy(line)
  const { file, end } = line.span
  const common = {
    span: { file, start: text.keyword.span.start, end },
    keyword: text.keyword,
    flags,
    original: line.text.slice(split.keyword.end, split.args.end).trim(),
  }
  if (comments.length === 0 && emptyContinuations.length === 0 && swallowed.length === 0) return common
  return {
    ...common,
    ...(comments.length === 0 ? {} : { comments }),
    ...(emptyContinuations.length === 0 ? {} : { emptyContinuations }),
    ...(swallowed.length === 0 ? {} : { swallowed }),
  }
}

/** The continued lines that begin, without a blank before it, with the name of an instruction in capitals. */
export function swallowedBy(line: LogicalLine): readonly { name: Word; joint: Span }[] {
  const found: { name: Word; joint: Span }[] = []
  if (line.logical.length === 1) return found
  // Behind lines that are blank but for an escape character the instruction itself begins.
  const keyword = line.text.search(/\S/)
  for (let index = 1; index < line.logical.length; index++) {
    const start = line.logical[index] ?? 0
    const first = line.text.charCodeAt(start)
    // There may be millions of pieces, so most are passed over without looking at a second character.
    if (first < 0x41 || first > 0x5a || start === keyword) continue
    const [name = ''] = /^[A-Z]+(?=[ \t])/.exec(line.text.slice(start, start + 12)) ?? []
    if (!instructionNames.includes(name)) continue
    found.push({ name: wordIn(line, { start, end: start + name.length }), joint: jointBefore(line, index) })
  }
  return found
}
