// A line of the user's file with marks below a part of it, as text of fixed width shows it.
import stringWidth from 'fast-string-width'
import { userInfo } from './error.ts'
import type { Position } from './span.ts'

/** How much of a line is shown before and behind the beginning of what is meant, in UTF-16 units. */
const reach = { before: 60, behind: 140 } as const
const tabWidth = 4

/** The line of a place as far as it is near the place, tabs as blanks; `marked` is the line of marks below it. */
export interface Excerpt {
  readonly line: string
  readonly marked: string
}

/** The excerpt that shows the `length` units from `at` on, those on its line, above `mark`s. */
export function excerpt({ lineText, column }: Position, length: number, mark: string): Excerpt {
  const start = Math.min(column - 1, lineText.length)
  const from = start <= reach.behind ? 0 : wholeCharacter(lineText, start - reach.before)
  const to = wholeCharacter(
    lineText,
    Math.min(lineText.length, Math.max(start, from) + reach.behind + reach.before),
  )
  // Wide enough to see that what is shown begins within a URL's user info.
  const first = Math.max(0, from - 2000)
  const visible = visibleLine(lineText.slice(first, to + 2000))
  const text = (begin: number, end: number): string =>
    visible.slice(begin - first, end - first).replace(/\t/g, ' '.repeat(tabWidth))
  const before = `${from === 0 ? '' : '…'}${text(from, start)}`
  const end = Math.min(start + length, to)
  const width = Math.max(1, stringWidth(text(start, end)))
  return {
    line: `${before}${text(start, to)}${to < lineText.length ? '…' : ''}`,
    marked: ' '.repeat(stringWidth(before)) + mark.repeat(width),
  }
}

/** An offset that does not part the two halves of a character. */
function wholeCharacter(text: string, offset: number): number {
  const code = text.charCodeAt(offset)
  return code >= 0xdc00 && code <= 0xdfff ? offset - 1 : offset
}

/** A line of a file as it may be shown, of the same length: without characters that a terminal would act on or not show, and without the user info of URLs. */
export function visibleLine(line: string): string {
  return line
    .replace(
      /[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
      (character) => (character === '\u200d' ? character : '\ufffd'),
    )
    .replace(userInfo, (_, scheme: string, info: string) => {
      return `${scheme}${'x'.repeat(info.length)}@`
    })
}
