// Cuts logical text into the instruction's name, its builder flags and its arguments. Knows no instruction.
import { argumentsGrammar, type FlagText } from '../../grammar/arguments.ts'
import { type EscapeCharacter, isBlank, nextBlank, type Range, trimRange } from './characters.ts'

/** The parts of an instruction as ranges of its text; the offsets of `flags` count from `flagsAt`. */
export interface Split {
  readonly keyword: Range
  readonly flags: readonly FlagText[]
  readonly flagsAt: number
  readonly args: Range
}

/**
 * The parts of the instruction within `range`; an empty keyword when there is nothing but blanks.
 * Differs: BuildKit reads flags byte by byte, so that `--exclude=é` comes out as `Ã©`, and excludes nothing.
 */
export function splitInstruction(text: string, range: Range, escapeBy: EscapeCharacter): Split {
  const { start, end } = trimRange(text, range)
  const keywordEnd = nextBlank(text, start, end)
  const keyword = { start, end: keywordEnd }
  let from = keywordEnd
  while (from < end && isBlank(text[from])) from++
  if (!text.startsWith('--', from)) {
    return { keyword, flags: [], flagsAt: from, args: trimRange(text, { start: from, end }) }
  }
  const { flags, rest } = argumentsGrammar(escapeBy).flags(text.slice(from, end))
  return { keyword, flags, flagsAt: from, args: trimRange(text, { start: from + rest, end }) }
}
