// ENV, LABEL and ARG: lists of `name=value`, quotes kept for the expansion.
import { argumentsGrammar, type Piece } from '../../../grammar/arguments.ts'
import type { Arg, Env, KeyValue, Label } from '../ast.ts'
import { isBlank } from '../characters.ts'
import { describe } from '../description.ts'
import { flagsOf, readFlags } from '../flags.ts'
import { commonOf, type InstructionText, missingArgument, wordOf } from '../instruction-text.ts'

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
  for (const word of words) {
    const equals = word.text.indexOf('=')
    const { span } = wordOf(text, word)
    if (equals === -1) {
      const message = `Syntax error - can't find = in ${JSON.stringify(word.text)}. Must be of the form: name=value`
      const hint = 'quote the value when it holds blanks: name="a b"'
      text.report.error('MissingEquals', message, span, { hint })
    } else if (equals === 0) {
      text.report.error('BlankName', `${text.name} names can not be blank`, span)
    } else {
      pairs.push({ ...splitPair(text, word, equals), span })
    }
  }
  return pairs.length === 0 ? undefined : { pairs, legacy: false }
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
  let keyEnd = 0
  while (keyEnd < args.length && !isBlank(args[keyEnd])) keyEnd++
  let start = keyEnd
  while (start < args.length && isBlank(args[start])) start++
  if (start === args.length) {
    const hint = `write it as ${text.name} ${args.slice(0, keyEnd)}=<value>`
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
      text.report.error('BlankName', 'ARG names can not be blank', span)
      continue
    }
    const pair = equals === -1 ? { key: wordOf(text, word) } : splitPair(text, word, equals)
    const description = describe(pair.key.text, text.line.comments)
    pairs.push({ ...pair, span, ...(description === undefined ? {} : { description }) })
  }
  return { kind: 'ARG', ...commonOf(text, flags), pairs }
}
