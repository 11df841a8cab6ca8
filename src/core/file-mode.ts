// Modes as COPY --chmod takes them: octal, or symbolic (chmod(1), with BuildKit's reading of setmode(3), umask 0).

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

/** The change that `text` (`755`, `u=rwX,go=rX`) describes; undefined when it is no mode. */
export function parseFileMode(text: string): ModeChange | undefined {
  if (/^[0-9]/.test(text)) {
    const fixed = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.POSITIVE_INFINITY
    return fixed > 0o7777 ? undefined : () => fixed
  }
  if (!text.split(',').every((part) => clausesPattern.test(part))) return undefined
  const clauses = text.split(',').flatMap(parseClauses)
  return (mode, isDirectory) => {
    const executable = isDirectory || (mode & 0o111) !== 0
    return clauses.reduce((now, clause) => applyClause(now, clause, executable), mode)
  }
}

const clausesPattern = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/

function parseClauses(part: string): Clause[] {
  const [, classes = '', changes = ''] = clausesPattern.exec(part) ?? []
  let who = 0
  if (/[ua]/.test(classes)) who |= 0o4700
  if (/[ga]/.test(classes)) who |= 0o2070
  if (/[oa]/.test(classes)) who |= 0o0007
  // Set-id and sticky bits are no business of "other" alone.
  const special = /[uga]/.test(classes) || classes === ''
  if (classes === '') who = 0o6777
  return [...changes.matchAll(/([-+=])([rwxXstugo]*)/g)].map(([, operator, letters = '']) => {
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
