// COPY/ADD --chmod: octal or symbolic modes (chmod(1), with BuildKit's reading of setmode(3), umask 0).
import { SlipwayError } from '../../core/error.ts'

/** What a file's permission bits (07777) become; `isDirectory` matters for `X` only. */
export type ModeChange = (mode: number, isDirectory: boolean) => number

interface Clause {
  /** Bits the clause may touch. */
  readonly who: number
  readonly operator: '+' | '-' | '='
  readonly bits: number
  /** `X`: execute, if it is a directory or anyone could execute the file before the first clause. */
  readonly conditionalExecute: boolean
  /** Classes whose permissions are copied, as shifts: 6 user, 3 group, 0 other. */
  readonly from: readonly number[]
}

/** The change `text` (`755`, `u=rwX,go=rX`) describes. Throws ERR_CHMOD_INVALID. */
export function parseMode(text: string): ModeChange {
  if (/^[0-9]/.test(text)) {
    if (!/^[0-7]+$/.test(text) || Number.parseInt(text, 8) > 0o7777) throw invalid(text)
    const fixed = Number.parseInt(text, 8)
    return () => fixed
  }
  const clauses = text.split(',').flatMap((part) => parseClauses(part, text))
  return (mode, isDirectory) => {
    const executable = isDirectory || (mode & 0o111) !== 0
    return clauses.reduce((now, clause) => applyClause(now, clause, executable), mode)
  }
}

function parseClauses(part: string, text: string): Clause[] {
  const match = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/.exec(part)
  if (match === null) throw invalid(text)
  const classes = match[1] ?? ''
  let who = 0
  if (/[ua]/.test(classes)) who |= 0o4700
  if (/[ga]/.test(classes)) who |= 0o2070
  if (/[oa]/.test(classes)) who |= 0o0007
  // Set-id and sticky bits are no business of "other" alone.
  const special = /[uga]/.test(classes) || classes === ''
  if (classes === '') who = 0o6777
  return [...(match[2] ?? '').matchAll(/([-+=])([rwxXstugo]*)/g)].map(([, operator, letters = '']) => {
    let bits = 0
    if (letters.includes('r')) bits |= 0o444
    if (letters.includes('w')) bits |= 0o222
    if (letters.includes('x')) bits |= 0o111
    if (letters.includes('s') && special) bits |= 0o6000
    const sticky = letters.includes('t') && special
    // `-X` is `-x` (setmode(3)).
    if (letters.includes('X') && operator === '-') bits |= 0o111
    const from = [...letters].flatMap((letter) => shifts[letter] ?? [])
    return {
      who: sticky ? who | 0o1000 : who,
      operator: operator as Clause['operator'],
      bits: sticky ? bits | 0o1000 : bits,
      conditionalExecute: letters.includes('X') && operator !== '-',
      from,
    }
  })
}

const shifts: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }

function applyClause(mode: number, clause: Clause, executable: boolean): number {
  let bits = clause.bits
  for (const shift of clause.from) bits |= ((mode >> shift) & 0o7) * 0o111
  if (clause.conditionalExecute && executable) bits |= 0o111
  bits &= clause.who
  if (clause.operator === '+') return mode | bits
  if (clause.operator === '-') return mode & ~bits
  return (mode & ~clause.who) | bits
}

function invalid(text: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_CHMOD_INVALID',
    message: `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
    hint: 'or a symbolic mode such as u=rwX,go=rX',
  })
}
