// ENV, LABEL and ARG: lists of `name=value`, quotes kept for the expansion.
import { argumentsGrammar, type Piece } from '../../../grammar/arguments.ts'
import type { Arg, Env, KeyValue, Label } from '../ast.ts'
import { isBlank, nextBlank } from '../characters.ts'
import { describe } from '../description.ts'
import { flagsOf, readFlags } from '../flags.ts'
import { instructionNames } from '../instruction-names.ts'
import {
  commonOf,
  type InstructionText,
  missingArgument,
  noComment,
  swallowedBy,
  wordOf,
} from '../instruction-text.ts'

export function readEnv(text: InstructionText): Env | undefined {
  const flags = readFlags(text)
  const read = readPairs(text)
  return read && { kind: 'ENV', ...commonOf(text, flags.all), ...read }
}

export function readLabel(text: InstructionText): Label | undefined {
  const flags = readFlags(text)
  const read = readPairs(text)
  return read && { kind: 'LABEL', ...commonOf(text, flags.all), ...read }
}

interface Pairs {
  readonly pairs: readonly KeyValue[]
  readonly legacy: boolean
}

/** `name=value …`, or the old `name value` when the first word has no `=`. */
function readPairs(text: InstructionText): Pairs | undefined {
  const words = argumentsGrammar(text.escape).words(text.args)
  const [first] = words
  if (first === undefined) return missingArgument(text)
  if (!first.text.includes('=')) return readLegacyPair(text)
  const pairs: KeyValue[] = []
  let wrong: Piece[] = []
  for (const [index, word] of words.entries()) {
    const equals = word.text.indexOf('=')
    if (equals === -1) {
      wrong.push(word)
      const next = words[index + 1]
      // Words that follow one another are one value most likely.
      if (next === undefined || next.text.includes('=')) {
        const before = words[index - wrong.length]
        reportMissingEquals(text, before, wrong)
        // Half of a `${…}` means nothing: what is wrong is told, and not that half is missing.
        const cut = before !== undefined && /\$\{[^}]*$/.test(before.text) ? pairs.pop() : undefined
        if (cut !== undefined) pairs.push({ ...cut, value: { ...cut.value, text: '' } })
        wrong = []
      }
      continue
    }
    const { span } = wordOf(text, word)
    if (equals === 0)
      text.report.error('BlankName', `${text.name} names can not be blank`, span, { hint: noBlanks })
    else pairs.push({ ...splitPair(text, word, equals), span })
  }
  return pairs.length === 0 ? undefined : { pairs, legacy: false }
}

const noBlanks = 'write name=value, without blanks around the ='

/** Reports `wrong`, the words between `before`, which has a `=`, and the next one that has. */
function reportMissingEquals(
  text: InstructionText,
  before: Piece | undefined,
  wrong: readonly Piece[],
): void {
  const [first] = wrong
  const last = wrong.at(-1)
  if (first === undefined || last === undefined || before === undefined) return
  const { span } = wordOf(text, { start: first.start, end: last.end })
  const message = `Syntax error - can't find = in ${JSON.stringify(first.text)}. Must be of the form: name=value`
  const swallowed = instructionNames.includes(first.text) ? swallowedBy(text.line) : []
  const at = swallowed.find(({ name }) => name.span.start === span.start)
  if (at !== undefined) {
    const notes = [{ span: at.joint, text: 'this continues the line' }]
    const hint = `${first.text} is no instruction here: end the line above without the escape character`
    text.report.error('MissingEquals', message, span, { hint, notes })
    return
  }
  if (first.text.startsWith('#')) {
    text.report.error('MissingEquals', message, span, { hint: noComment })
    return
  }
  const value = [before, ...wrong.slice(0, 10)].map((word) => word.text).join(' ')
  const isTypographic = /[\u201c-\u201f]/.test(value)
  const plain = value.replace(/[\u201c-\u201f]/g, '')
  const [, name = '', rest = ''] = /^([^=]*)=\s*(.*)$/s.exec(plain) ?? []
  const isPlain = name !== '' && !/["'\\]/.test(rest) && plain.length < 60
  const what = isTypographic ? 'these are no quotes' : 'quote the value when it holds blanks'
  const hint = !isPlain
    ? `${what}: name="a b"`
    : before.text.endsWith('=') && wrong.length === 1
      ? `write it without blanks: ${name}=${rest}`
      : `${what}: ${name}="${rest}"`
  text.report.error('MissingEquals', message, span, { hint })
}

function splitPair(text: InstructionText, word: Piece, equals: number): Pick<KeyValue, 'key' | 'value'> {
  const { start, end } = word
  return {
    key: wordOf(text, { text: word.text.slice(0, equals), start, end: start + equals }),
    value: wordOf(text, { text: word.text.slice(equals + 1), start: start + equals + 1, end }),
  }
}

/** Differs from quoting everywhere else: the value is the rest of the line, verbatim, cut at the first ASCII blanks. */
function readLegacyPair(text: InstructionText): Pairs | undefined {
  const { args } = text
  const keyEnd = nextBlank(args, 0, args.length)
  let start = keyEnd
  while (start < args.length && isBlank(args[start])) start++
  if (start === args.length) {
    const [, name = '', given = ''] = /^([^:]+):(.+)$/s.exec(args.slice(0, keyEnd)) ?? []
    const pair = name === '' ? `${args.slice(0, keyEnd)}=<value>` : `${name}=${given}`
    const hint = `write it as ${text.name} ${pair}`
    text.report.error('MissingArgument', `${text.name} must have two arguments`, text.argsSpan, { hint })
    return undefined
  }
  const key = wordOf(text, { start: 0, end: keyEnd })
  const value = wordOf(text, { start, end: args.length })
  return { pairs: [{ key, value, span: text.argsSpan }], legacy: true }
}

export function readArg(text: InstructionText): Arg | undefined {
  const flags = flagsOf(text)
  const words = argumentsGrammar(text.escape).words(text.args)
  if (words.length === 0) return missingArgument(text)
  const pairs: Arg['pairs'][number][] = []
  for (const word of words) {
    const { span } = wordOf(text, word)
    const equals = word.text.indexOf('=')
    if (equals === 0) {
      text.report.error('BlankName', 'ARG names can not be blank', span, { hint: noBlanks })
      continue
    }
    const pair = equals === -1 ? { key: wordOf(text, word) } : splitPair(text, word, equals)
    const description = describe(pair.key.text, text.line.comments)
    pairs.push({ ...pair, span, ...(description === undefined ? {} : { description }) })
  }
  return { kind: 'ARG', ...commonOf(text, flags), pairs }
}
