// FROM: image, `AS name`, `--platform`.
import { argumentsGrammar } from '../../../grammar/arguments.ts'
import type { From } from '../ast.ts'
import { describe } from '../description.ts'
import { readFlags } from '../flags.ts'
import { commonOf, type InstructionText, wordOf } from '../instruction-text.ts'
import { wrongFrom } from './wrong-from.ts'

/** What a stage may be called, after lower-casing. */
export const stageNamePattern = /^[a-z][a-z0-9-_.]*$/

export function readFrom(text: InstructionText): From | undefined {
  const flags = readFlags(text, { platform: 'word' })
  const parsed = argumentsGrammar(text.escape).from(text.args)
  if (parsed === undefined) {
    const { place, hint } = wrongFrom(text.args)
    const span = text.args === '' ? text.keyword.span : wordOf(text, place).span
    text.report.error('InvalidFrom', 'FROM requires either one or three arguments', span, { hint })
    return undefined
  }
  const image = wordOf(text, parsed.image)
  const as = parsed.name === undefined ? undefined : wordOf(text, parsed.name)
  if (as !== undefined && !stageNamePattern.test(as.text.toLowerCase())) {
    const message = `invalid name for build stage: ${JSON.stringify(as.text)}, name can't start with a number or contain symbols`
    const hint = 'begin it with a letter, and use only letters, digits, -, _ and .'
    text.report.error('InvalidStageName', message, as.span, { hint })
  }
  const platform = flags.word('platform')
  const description = as === undefined ? undefined : describe(as.text.toLowerCase(), text.line.comments)
  return {
    kind: 'FROM',
    ...commonOf(text, flags.all),
    image,
    ...(as === undefined ? {} : { as }),
    ...(parsed.as === undefined ? {} : { asKeyword: wordOf(text, parsed.as) }),
    ...(platform === undefined ? {} : { platform }),
    ...(description === undefined ? {} : { description }),
  }
}
