// ONBUILD: an instruction kept for the builds that start from this image.
import type { Instruction, Onbuild } from '../ast.ts'
import type { Range } from '../characters.ts'
import { readFlags } from '../flags.ts'
import { commonOf, type InstructionText, missingArgument, wordOf } from '../instruction-text.ts'
import { printBody } from '../print.ts'

/** Reads the instruction in a range of the same logical line. */
export type ReadNested = (range: Range) => Instruction | undefined

export function readOnbuild(text: InstructionText, readNested: ReadNested): Onbuild | undefined {
  const flags = readFlags(text)
  if (text.args === '') return missingArgument(text)
  const name = /^\S+/.exec(text.args)?.[0].toUpperCase() ?? ''
  if (name === 'ONBUILD') {
    const message = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
    const hint = 'write ONBUILD once'
    text.report.error('InvalidTrigger', message, wordOf(text, { start: 0, end: name.length }).span, { hint })
    return undefined
  }
  if (name === 'MAINTAINER' || name === 'FROM') {
    const { span } = wordOf(text, { start: 0, end: name.length })
    text.report.error('InvalidTrigger', `${name} isn't allowed as an ONBUILD trigger`, span)
    return undefined
  }
  // Differs: BuildKit keeps whatever is written, and the mistake shows in the build of a child image.
  const trigger = readNested(text.split.args)
  if (trigger === undefined) return undefined
  return { kind: 'ONBUILD', ...commonOf(text, flags.all), trigger, text: triggerText(text) }
}

/** The trigger as the image config stores it: one instruction that can be parsed again, bodies and blanks at its end included. */
function triggerText({ split, line }: InstructionText): string {
  const written = line.text.slice(split.args.start)
  return line.heredocs.reduce((text, heredoc) => `${text}\n${printBody(heredoc)}`, written)
}
