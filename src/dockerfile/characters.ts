// Blanks as Go's `unicode` package knows them: what BuildKit trims and skips.
import { blankClass, type EscapeCharacter, spaceClass } from '../../grammar/characters.ts'

export type { EscapeCharacter }

const spacePattern = new RegExp(`[${spaceClass}]`)
const blankPattern = new RegExp(`[${blankClass}]`)

/** Go's `unicode.IsSpace`. */
export function isSpace(character: string | undefined): boolean {
  if (character === undefined) return false
  if (character === ' ') return true
  // Asked for most characters of a file: what is plainly no space costs no pattern.
  return character <= ' ' || character >= '\u0085' ? spacePattern.test(character) : false
}

/** A blank that separates an instruction's name and plain words. */
export function isBlank(character: string | undefined): boolean {
  if (character === undefined || character > ' ') return false
  return character === ' ' || blankPattern.test(character)
}

/** The offset of the first blank between two offsets, or the last of them. */
export function nextBlank(text: string, start: number, end: number): number {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) <= 0x20 && isBlank(text[at])) return at
  return end
}

/** A half-open range of offsets into some text. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** The range without Unicode spaces at both ends. */
export function trimRange(text: string, { start, end }: Range): Range {
  let from = start
  let to = end
  // What most words begin and end with is surely no space.
  const first = text.charCodeAt(from)
  const last = text.charCodeAt(to - 1)
  if (from < to && first > 0x20 && first < 0x7f && last > 0x20 && last < 0x7f) return { start, end }
  while (from < to && isSpace(text[from])) from++
  while (to > from && isSpace(text[to - 1])) to--
  return { start: from, end: to }
}

/** The text without Unicode spaces at both ends. */
export function trimSpace(text: string): string {
  const { start, end } = trimRange(text, { start: 0, end: text.length })
  return text.slice(start, end)
}
