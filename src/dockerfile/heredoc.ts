// Finds the here-documents an instruction announces (`<<EOF`). Their bodies are read by lines.ts.
import { parseWord, type WordPart } from '../../grammar/shell-word.ts'
import { faultOf } from '../../grammar/word-fault.ts'
import { nearest } from '../core/diagnostic.ts'
import { type EscapeCharacter, isSpace, type Range } from './characters.ts'
import { readJsonArray } from './json-array.ts'
import { splitInstruction } from './split.ts'

/** `<<EOF` in an instruction's text; offsets count in that text. */
export interface HeredocWord extends Range {
  readonly name: string
  readonly expand: boolean
  readonly chomp: boolean
  readonly fileDescriptor?: number
}

const withHeredocs = new Set(['RUN', 'COPY', 'ADD'])

/** The here-documents announced by an instruction's text, in order. Only RUN, COPY and ADD have any, and never in JSON form. */
export function heredocsOf(text: string, escapeBy: EscapeCharacter): readonly HeredocWord[] {
  if (!text.includes('<<')) return []
  let { keyword, args } = splitInstruction(text, { start: 0, end: text.length }, escapeBy)
  if (nameOf(text, keyword) === 'ONBUILD') ({ keyword, args } = splitInstruction(text, args, escapeBy))
  if (!withHeredocs.has(nameOf(text, keyword))) return []
  if (readJsonArray(text.slice(args.start, args.end)).kind !== 'none') return []
  return wordsWithQuotes(text).flatMap((word) => {
    const heredoc = readHeredocWord(text.slice(word.start, word.end))
    return heredoc === undefined ? [] : [{ ...heredoc, start: word.start, end: word.end }]
  })
}

function nameOf(text: string, { start, end }: Range): string {
  return text.slice(start, end).toUpperCase()
}

/** Reads one word as `[fd]<<[-]NAME`. */
export function readHeredocWord(word: string): Omit<HeredocWord, 'start' | 'end'> | undefined {
  if (!word.includes('<<')) return undefined
  const match = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/.exec(word)
  const [, digits = '', dash = '', rest = ''] = match ?? []
  if (rest === '') return undefined
  const tree = readable(rest)
  if (tree === undefined || splitWords(tree).length !== 1) return undefined
  const fileDescriptor = Number.parseInt(digits, 10)
  const name = withoutQuotes(tree, rest)
  if (name === '') return undefined
  return {
    name,
    expand: !tree.some((part) => part.kind === 'single' || part.kind === 'double'),
    chomp: dash === '-',
    ...(digits === '' ? {} : { fileDescriptor }),
  }
}

/** A line that was perhaps meant to end a here-document which nothing ends: its place, and why it does not. */
export interface NearEnd extends Range {
  readonly hint: string
}

/** The first such line in `text` from `start` on; `chomp`: tabs before the end are allowed. */
export function nearEnd(text: string, start: number, { name, chomp }: HeredocWord): NearEnd | undefined {
  let misspelt: NearEnd | undefined
  for (let at = start; at < text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline === -1 ? text.length : newline
    const line = end - at > name.length + 100 ? '' : text.slice(at, end)
    const word = line.trim()
    const place = { start: at + line.indexOf(word), end: at + line.indexOf(word) + word.length }
    if (word === name) {
      const isTabbed = !chomp && /^\t+\S+$/.test(line)
      const hint = `nothing may stand before or behind ${name} in the line that ends it`
      return { ...place, hint: isTabbed ? `${hint}; <<-${name} allows tabs before it` : hint }
    }
    if (
      misspelt === undefined &&
      /^\w+$/.test(word) &&
      nearest(word, [name], Math.min(2, name.length >> 1))
    ) {
      misspelt = { ...place, hint: `did you mean ${name}?` }
    }
    at = end + 1
  }
  return misspelt
}

/** The words of a text whose quotes are balanced; none when they are not, as in BuildKit. */
function wordsWithQuotes(text: string): readonly Range[] {
  const tree = readable(text)
  return tree === undefined ? [] : splitWords(tree)
}

/** BuildKit looks for here-documents with `\` as the escape character, whatever the directive says. */
function readable(text: string): readonly WordPart[] | undefined {
  const tree = parseWord(text, { escape: '\\', quotes: true })
  return tree === undefined || faultOf(tree) !== undefined ? undefined : tree
}

function splitWords(parts: readonly WordPart[]): readonly Range[] {
  const words: Range[] = []
  let start = -1
  let end = -1
  const extend = (from: number, to: number): void => {
    if (start === -1) start = from
    end = to
  }
  const finish = (): void => {
    if (start !== -1) words.push({ start, end })
    start = -1
  }
  for (const part of parts) {
    if (part.kind !== 'literal' || part.glued) {
      extend(part.start, part.end)
      continue
    }
    for (let i = 0; i < part.text.length; i++) {
      if (isSpace(part.text[i])) finish()
      else extend(part.start + i, part.start + i + 1)
    }
  }
  finish()
  return words
}

/** The word with quotes and escapes processed and variables left as they are written. */
function withoutQuotes(parts: readonly WordPart[], text: string): string {
  let out = ''
  for (const part of parts) {
    if (part.kind === 'double') out += withoutQuotes(part.parts, text)
    else if (part.kind === 'variable' || part.kind === 'substitution') out += text.slice(part.start, part.end)
    else out += part.text
  }
  return out
}
