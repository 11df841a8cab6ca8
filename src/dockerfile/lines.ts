// The first pass, linear in the text: physical lines to logical ones, directives, comments, here-document bodies.
// Everything behind it sees instructions without continuations; what an instruction means is not decided here.
import { nearest, type Outcome } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Directive, Heredoc, MisspeltDirective } from './ast.ts'
import { type EscapeCharacter, isSpace, trimSpace } from './characters.ts'
import { type HeredocWord, heredocsOf, nearEnd } from './heredoc.ts'
import { type LogicalLine, spanIn } from './logical-line.ts'
import { newReport, type Report } from './report.ts'

/** A text cut into instructions. */
export interface Lines {
  readonly directives: readonly Directive[]
  /** Comments that would have been directives further up. */
  readonly lateDirectives: readonly Directive[]
  readonly misspeltDirectives: readonly MisspeltDirective[]
  readonly escape: EscapeCharacter
  readonly lines: readonly LogicalLine[]
}

/** More than any real file has, and few enough that every later step stays quick. */
export const limits = { characters: 16 * 1024 * 1024, instructions: 100_000 } as const

/** Cuts `text`. With `escapeBy` given, comments are never directives (a trigger's text has none). */
export function readLines(text: string, file: string, escapeBy?: EscapeCharacter): Outcome<Lines> {
  const report = newReport()
  if (text.length > limits.characters) {
    const megabytes = limits.characters / 1024 / 1024
    report.error('FileTooLarge', `the Dockerfile is larger than ${megabytes} MiB`, { file, start: 0, end: 0 })
    return {
      value: { directives: [], lateDirectives: [], misspeltDirectives: [], escape: '\\', lines: [] },
      diagnostics: report.diagnostics,
    }
  }
  const reader = new Reader(text, file, report, escapeBy)
  return { value: reader.read(), diagnostics: report.diagnostics }
}

/** Where a physical line stands: `end` is before its line end, `next` behind it. */
interface Physical {
  readonly start: number
  readonly end: number
  readonly next: number
}

/** What stands above the next instruction. */
interface Above {
  comments: string[]
  /** Which directives a comment may be. Below a `#!` line, as BuildKit reads it, all but escape. */
  mayBe: 'any' | 'any but escape' | 'none'
}

/** The directives there are, and what a value of theirs looks like: other comments have a `=` in them, too. */
const directiveValues: Readonly<Record<string, RegExp>> = {
  syntax: /^[\w.-]+[/:][\w./:@-]+(?: |$)/,
  escape: /^[\\`]$/,
  check: /^(?:skip|error|experimental)=/,
}

class Reader {
  readonly #text: string
  readonly #file: string
  readonly #report: Report
  readonly #directives: Directive[] = []
  readonly #lateDirectives: Directive[] = []
  readonly #misspeltDirectives: MisspeltDirective[] = []
  /** Where the first line begins. */
  readonly #first: number
  #escape: EscapeCharacter
  #at: number
  #above: Above

  constructor(text: string, file: string, report: Report, escapeBy: EscapeCharacter | undefined) {
    this.#text = text
    this.#file = file
    this.#report = report
    this.#escape = escapeBy ?? '\\'
    this.#first = text.startsWith('\ufeff') ? 1 : 0
    this.#at = this.#first
    this.#above = { comments: [], mayBe: escapeBy === undefined ? 'any' : 'none' }
  }

  read(): Lines {
    const lines: LogicalLine[] = []
    while (this.#at < this.#text.length) {
      const line = this.#readLine()
      if (line === undefined) continue
      if (lines.length === limits.instructions) {
        const message = `the Dockerfile has more than ${limits.instructions} instructions`
        this.#report.error('TooManyInstructions', message, line.span)
        break
      }
      lines.push(line)
    }
    return {
      directives: this.#directives,
      lateDirectives: this.#lateDirectives,
      misspeltDirectives: this.#misspeltDirectives,
      escape: this.#escape,
      lines,
    }
  }

  #next(): Physical {
    const start = this.#at
    const newline = this.#text.indexOf('\n', start)
    const next = newline === -1 ? this.#text.length : newline + 1
    let end = newline === -1 ? next : newline
    while (end > start && this.#text[end - 1] === '\r') end--
    this.#at = next
    return { start, end, next }
  }

  #skipSpaces({ start, end }: Physical): number {
    let at = start
    while (at < end && isSpace(this.#text[at])) at++
    return at
  }

  /** The next instruction, or undefined for a comment or a blank line. */
  #readLine(): LogicalLine | undefined {
    const first = this.#next()
    const start = this.#skipSpaces(first)
    if (this.#text[start] === '#' && start < first.end) {
      this.#readComment(start, first.end)
      return undefined
    }
    this.#above.mayBe = 'none'
    if (start === first.end) return undefined
    const joined = this.#join({ start, end: first.end, next: first.next })
    const { comments } = this.#above
    if (trimSpace(joined.text) === '') {
      const message = 'this line continues, and the file ends'
      const hint = `leave the ${this.#escape} out`
      this.#report.error('NothingContinued', message, { file: this.#file, start, end: start + 1 }, { hint })
      return undefined
    }
    this.#above.comments = []
    const { text, logical, physical, emptyContinuations } = joined
    const place = { text, logical, physical, file: this.#file }
    const heredocs = heredocsOf(text, this.#escape).map((word) =>
      this.#readHeredoc(word, spanIn(place, word.start, word.end)),
    )
    const end = heredocs.length === 0 ? joined.end : this.#endBefore(this.#at)
    const span = { file: this.#file, start, end }
    return { text, file: this.#file, logical, physical, span, heredocs, comments, emptyContinuations }
  }

  #endBefore(next: number): number {
    let end = next
    while (end > 0 && /[\r\n]/.test(this.#text[end - 1] ?? '')) end--
    return end
  }

  /** The instruction that begins with `first`, continuations joined. */
  #join(
    first: Physical,
  ): Pick<LogicalLine, 'text' | 'logical' | 'physical' | 'emptyContinuations'> & { end: number } {
    const pieces: string[] = []
    const logical: number[] = []
    const physical: number[] = []
    const emptyContinuations: Span[] = []
    let length = 0
    let line = first
    let end = first.end
    for (;;) {
      const { cut, continues } = this.#cutContinuation(line)
      if (cut > line.start || pieces.length === 0) {
        pieces.push(this.#text.slice(line.start, cut))
        logical.push(length)
        physical.push(line.start)
        length += cut - line.start
      }
      end = line.end
      if (!continues) break
      const next = this.#continuation(emptyContinuations)
      if (next === undefined) break
      line = next
    }
    return { text: pieces.join(''), logical, physical, emptyContinuations, end }
  }

  /** The next line that is neither a comment nor blank; blank ones are noted. */
  #continuation(empty: Span[]): Physical | undefined {
    while (this.#at < this.#text.length) {
      const line = this.#next()
      const at = this.#skipSpaces(line)
      if (at === line.end) empty.push({ file: this.#file, start: line.start, end: line.end })
      else if (this.#text[at] !== '#') return line
    }
    return undefined
  }

  /**
   * Where the text of a line ends and whether the next line continues it. A doubled escape character is text;
   * so is every longer run, because BuildKit's pattern looks back one character only (field notes, "Line continuation").
   */
  #cutContinuation({ start, end }: Physical): { cut: number; continues: boolean } {
    let at = end
    while (at > start && (this.#text[at - 1] === ' ' || this.#text[at - 1] === '\t')) at--
    const isEscape = at > start && this.#text[at - 1] === this.#escape
    if (!isEscape || (at - 1 > start && this.#text[at - 2] === this.#escape)) {
      return { cut: end, continues: false }
    }
    return { cut: at - 1, continues: true }
  }

  /** Differs: before an instruction BuildKit takes a comment that is indented for one with two `#`, which describes and turns off nothing. */
  #readComment(start: number, end: number): void {
    const comment = trimSpace(this.#text.slice(start + 1, end))
    const span = { file: this.#file, start, end }
    const isShebang = start === this.#first && this.#text[start + 1] === '!' && this.#above.mayBe === 'any'
    if (isShebang) this.#above.mayBe = 'any but escape'
    else if (this.#above.mayBe !== 'none' && this.#readDirective(comment, span)) return
    else {
      if (this.#above.mayBe !== 'none') this.#readMisspelt(comment, span)
      this.#readLateDirective(comment, span)
    }
    if (comment === '') this.#above.comments = []
    else this.#above.comments.push(comment)
  }

  #readLateDirective(comment: string, span: Span): void {
    const [, name, value] = /^(syntax|escape)[\t ]*=[\t ]*(\S+)$/i.exec(comment) ?? []
    if (name !== undefined && value !== undefined) {
      const valueSpan = this.#valueSpan(value, span)
      this.#lateDirectives.push({ name: name.toLowerCase(), value, span, valueSpan })
    }
    // Directives below one that a `#!` line has made a comment are still read.
    if (this.#above.mayBe === 'any' || name?.toLowerCase() !== 'escape') this.#above.mayBe = 'none'
  }

  #readMisspelt(comment: string, span: Span): void {
    const [, name, value] = /^([a-zA-Z][a-zA-Z0-9]*)[\t ]*=[\t ]*(\S.*)$/.exec(comment) ?? []
    if (name === undefined || value === undefined || Object.hasOwn(directiveValues, name.toLowerCase()))
      return
    const meant = nearest(name, Object.keys(directiveValues))
    if (meant === undefined || directiveValues[meant]?.test(value) !== true) return
    const start = this.#text.indexOf(name, span.start)
    const place = { ...span, start, end: start + name.length }
    this.#misspeltDirectives.push({ name, meant, span: place })
  }

  /** Where the value stands that a comment ends with. */
  #valueSpan(value: string, { file, start, end }: Span): Span {
    const at = this.#text.lastIndexOf(value, end - value.length)
    return at < start ? { file, start, end } : { file, start: at, end: at + value.length }
  }

  /** Whether the comment was a directive, good or bad. */
  #readDirective(comment: string, span: Span): boolean {
    const match = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=/.exec(comment)
    const name = match?.[1]?.toLowerCase()
    const value = trimSpace(comment.slice(match?.[0].length ?? 0))
    if (name === undefined || value === '' || !['syntax', 'escape', 'check'].includes(name)) return false
    if (name === 'escape' && this.#above.mayBe === 'any but escape') return false
    const first = this.#directives.find((d) => d.name === name)
    if (first !== undefined) {
      // Below a `#!` line BuildKit asks for each directive by itself, and takes the first.
      if (this.#above.mayBe === 'any but escape') return true
      const notes = [{ span: first.span, text: 'the first one' }]
      this.#report.error('DuplicateDirective', `only one ${name} parser directive can be used`, span, {
        notes,
      })
      return true
    }
    const valueSpan = this.#valueSpan(value, span)
    this.#directives.push({ name, value, span, valueSpan })
    if (name !== 'escape') return true
    if (value === '\\' || value === '`') this.#escape = value
    else
      this.#report.error(
        'InvalidEscape',
        `invalid escape token '${value}' does not match \` or \\`,
        valueSpan,
      )
    return true
  }

  #readHeredoc(word: HeredocWord, span: Span): Heredoc {
    const start = this.#at
    let end = this.#text.length
    let terminated = false
    while (!terminated && this.#at < this.#text.length) {
      const line = this.#next()
      let from = line.start
      if (word.chomp) while (from < line.end && this.#text[from] === '\t') from++
      terminated = line.end - from === word.name.length && this.#text.startsWith(word.name, from)
      if (terminated) end = line.start
    }
    if (!terminated) {
      const near = nearEnd(this.#text, start, word)
      this.#report.error('UnterminatedHeredoc', 'unterminated heredoc', span, {
        hint: near?.hint ?? `end it with a line that is only ${word.name}`,
        notes:
          near === undefined
            ? []
            : [
                {
                  span: { file: this.#file, start: near.start, end: near.end },
                  text: 'this does not end it',
                },
              ],
      })
    }
    const { name, expand, chomp, fileDescriptor } = word
    const raw = this.#text.slice(start, end)
    const content = chomp ? raw.replace(/(^|\n)\t+/g, '$1') : raw
    return {
      name,
      expand,
      chomp,
      ...(fileDescriptor === undefined ? {} : { fileDescriptor }),
      content,
      ...(content === raw ? {} : { raw }),
      span,
      contentSpan: { file: this.#file, start, end },
    }
  }
}
