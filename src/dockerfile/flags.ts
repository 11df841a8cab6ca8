// Builder flags: which an instruction knows, what kind each is, and what is wrong with those written.
import type { PlacedPiece } from '../../grammar/arguments.ts'
import { nearest } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Flag, Word } from './ast.ts'
import type { InstructionText } from './instruction-text.ts'
import { spanIn, wordIn } from './logical-line.ts'

/** `words` may be given more than once. */
export type FlagKind = 'boolean' | 'word' | 'words'

/** A flag's value together with the way back from its characters to the file. */
export interface FlagValue {
  readonly word: Word
  readonly flag: Flag
  /** Where the characters between two offsets of the value stand. */
  spanOf(start: number, end: number): Span
}

/** The flags of one instruction that are right, by name. */
export interface Flags {
  readonly all: readonly Flag[]
  /** The value of a `word` flag, if it was given. */
  word(name: string): Word | undefined
  words(name: string): readonly Word[]
  values(name: string): readonly FlagValue[]
  /** The value of a `boolean` flag, if it was given. */
  boolean(name: string): boolean | undefined
}

const noFlags: Flags = {
  all: [],
  word: () => undefined,
  words: () => [],
  values: () => [],
  boolean: () => undefined,
}

/** Reads the flags against those the instruction knows; reports unknown, repeated, empty and wrong ones. */
export function readFlags(text: InstructionText, known: Readonly<Record<string, FlagKind>> = {}): Flags {
  if (text.split.flags.length === 0) return noFlags
  const all: Flag[] = []
  const pieces = new Map<Flag, PlacedPiece | undefined>()
  for (const [i, flag] of flagsOf(text).entries()) {
    pieces.set(flag, text.split.flags[i]?.value)
    const kind = Object.hasOwn(known, flag.name) ? known[flag.name] : undefined
    if (kind === undefined) reportUnknown(text, flag, Object.keys(known))
    else if (kind !== 'words' && all.some((f) => f.name === flag.name)) reportDuplicate(text, flag, all)
    else if (isRight(text, flag, kind)) all.push(flag)
  }
  const words = (name: string): readonly Word[] =>
    all.flatMap((f) => (f.name === name && f.value !== undefined ? [f.value] : []))
  return {
    all,
    words,
    word: (name) => words(name)[0],
    values: (name) =>
      all.flatMap((flag) => {
        const piece = pieces.get(flag)
        if (flag.name !== name || flag.value === undefined || piece === undefined) return []
        return [{ flag, word: flag.value, spanOf: (start, end) => spanWithin(text, piece, start, end) }]
      }),
    boolean: (name) => {
      const flag = all.find((f) => f.name === name)
      return flag === undefined ? undefined : flag.value?.text.toLowerCase() !== 'false'
    },
  }
}

/** The flags as written, right or wrong: the check IgnoredFlag asks about those of instructions that have none. */
export function flagsOf(text: InstructionText): readonly Flag[] {
  const at = text.split.flagsAt
  return text.split.flags.map(({ name, value, start, end }) => {
    const span = spanIn(text.line, at + start, at + end)
    if (value === undefined) return { name, span }
    const place = { text: value.text, start: at + value.start, end: at + value.end }
    return { name, value: wordIn(text.line, place), span }
  })
}

function spanWithin(text: InstructionText, piece: PlacedPiece, start: number, end: number): Span {
  const at = text.split.flagsAt
  const placeOf = (offset: number): number => at + (piece.places?.[offset] ?? piece.start + offset)
  if (start < end) return spanIn(text.line, placeOf(start), placeOf(end - 1) + 1)
  const before = start === 0 ? at + piece.start : placeOf(start - 1) + 1
  return spanIn(text.line, before, before)
}

function isRight(text: InstructionText, flag: Flag, kind: FlagKind): boolean {
  const { name, value, span } = flag
  if (kind === 'boolean' ? value?.text === '' : value === undefined) {
    const written = kind === 'boolean' ? `--${name} or --${name}=false` : `--${name}=${nextValue(text, name)}`
    const hint = `write ${written}`
    text.report.error('MissingFlagValue', `missing a value on flag: --${name}`, span, { hint })
    return false
  }
  if (kind !== 'boolean' || value === undefined || /^(?:true|false)$/i.test(value.text)) return true
  const message = `expecting boolean value for flag --${name}, not: ${value.text}`
  text.report.error('InvalidFlagValue', message, value.span)
  return false
}

/** The word behind a flag without value where it is likely to be that value, as in `--from build /a /b`. */
function nextValue({ name: instruction, args }: InstructionText, flag: string): string {
  const [next = '', ...rest] = args.slice(0, 300).replace(/^=\s*/, '').split(/\s+/, 5)
  const values: Readonly<Record<string, RegExp>> = {
    mount: /=/,
    network: /^(?:default|none|host)$/,
    platform: /^[^:]+$/,
    security: /^(?:sandbox|insecure)$/,
  }
  const isTransfer = instruction === 'COPY' || instruction === 'ADD'
  const pattern =
    instruction === 'HEALTHCHECK' ? /^\d/ : Object.hasOwn(values, flag) ? values[flag] : undefined
  const isValue = isTransfer ? rest.length > 1 : rest.length > 0 && pattern?.test(next) === true
  return isValue && next !== '' && next.length < 60 ? next : '<value>'
}

function reportUnknown(text: InstructionText, flag: Flag, known: readonly string[]): void {
  const suggestion = nearest(flag.name, known)
  const message = `unknown flag: --${flag.name}${suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`}`
  const start = flag.span.start
  const span = { ...flag.span, end: Math.min(flag.span.end, start + 2 + flag.name.length) }
  text.report.error('UnknownFlag', message, span, { hint: unknownHint(text, flag.name, known) })
}

function unknownHint({ name: instruction }: InstructionText, flag: string, known: readonly string[]): string {
  const knows =
    known.length === 0
      ? `${instruction} has no flags`
      : `${instruction} knows ${known.map((name) => `--${name}`).join(', ')}`
  if (instruction === 'CMD' || instruction === 'ENTRYPOINT') {
    return `${knows}; a command that begins with --${flag} needs JSON form: ${instruction} ["--${flag}", …]`
  }
  const owner = Object.hasOwn(owners, flag) ? owners[flag] : undefined
  return owner === undefined ? knows : `--${flag} is a flag of ${owner}; ${knows}`
}

/** Where flags belong that people give to other instructions. */
const owners: Readonly<Record<string, string>> = {
  checksum: 'ADD',
  chmod: 'COPY and ADD',
  chown: 'COPY and ADD',
  exclude: 'COPY and ADD',
  from: 'COPY',
  link: 'COPY and ADD',
  mount: 'RUN',
  network: 'RUN',
  parents: 'COPY',
  platform: 'FROM',
  security: 'RUN',
}

function reportDuplicate(text: InstructionText, flag: Flag, before: readonly Flag[]): void {
  const first = before.find((f) => f.name === flag.name)
  const notes = first === undefined ? [] : [{ span: first.span, text: 'the first one' }]
  text.report.error('DuplicateFlag', `duplicate flag specified: --${flag.name}`, flag.span, { notes })
}
