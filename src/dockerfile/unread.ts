// What can be told of an instruction that is wrong: enough to find the other mistakes of the file, and none that only
// follow from this one.
import type { From, Instruction, Unread } from './ast.ts'
import { instructionNames } from './instruction-names.ts'
import { commonOf, type InstructionText, instructionText } from './instruction-text.ts'
import { stageNamePattern } from './instructions/from.ts'
import type { LogicalLine } from './logical-line.ts'
import type { ParseContext } from './parse-instruction.ts'
import { suggestionFor } from './unknown-instruction.ts'

/** A line of which nothing became an instruction. */
export function unreadIn(line: LogicalLine, context: ParseContext): Unread {
  const text = wholeText(line, context)
  const isKnown = instructionNames.includes(text.name)
  const name = isKnown ? text.name : (suggestionFor(text, instructionNames)?.name?.toUpperCase() ?? text.name)
  const [base = ''] = wordsOf(text)
  // Much of a line can look like a name: nobody needs more of them.
  const named = [...line.text.slice(0, mostLooked).matchAll(/\bfrom[ =]+["']?([^\s,"'=]+)/gi)]
  const mentions = [...(name === 'FROM' ? [base] : []), ...named.map((match) => match[1] ?? '')]
  return { name, keyword: text.keyword, span: line.span, mentions: namesAmong(mentions) }
}

const mostLooked = 1000

/** The stage that a FROM begins which could not be read. */
export function unreadFrom(line: LogicalLine, context: ParseContext): From {
  const text = wholeText(line, context)
  const [, ...others] = wordsOf(text).filter((word) => word.toUpperCase() !== 'AS')
  return {
    kind: 'FROM',
    ...commonOf(text, []),
    image: { text: '', span: text.argsSpan },
    unread: { isMissing: false, names: namesAmong(others).filter((name) => stageNamePattern.test(name)) },
  }
}

/** The stage that an instruction belongs to which has no FROM above. */
export function missingFrom({ keyword, span }: Instruction): From {
  const place = { ...span, end: span.start }
  return {
    kind: 'FROM',
    span: place,
    keyword: { text: keyword.text, span: place },
    flags: [],
    original: '',
    image: { text: '', span: place },
    unread: { isMissing: true, names: [] },
  }
}

function wholeText(line: LogicalLine, context: ParseContext): InstructionText {
  return instructionText(line, { start: 0, end: line.text.length }, context)
}

function wordsOf({ args }: InstructionText): string[] {
  return args.slice(0, mostLooked).match(/\S+/g) ?? []
}

function namesAmong(words: readonly string[]): string[] {
  return [...new Set(words.map((word) => word.toLowerCase()))].filter((word) => word !== '')
}
