// Modes as COPY --chmod takes them: octal, or symbolic (chmod(1), with BuildKit's reading of setmode(3), umask 0).

/** What a file's permission bits (07777) become; `isDirectory` matters for `X` only. */
export type ModeChange = (mode: number, isDirectory: boolean) => number

/**
 * The mode of directories that are made for what gets the mode `text` (one that parseFileMode reads): that of an
 * octal one without its set-id and sticky bits, as in BuildKit, undefined for a symbolic one.
 */
export function octalPermissions(text: string): number | undefined {
  return octal.test(text) ? Number.parseInt(text, 8) & 0o777 : undefined
}

const octal = /^[0-7]+$/

/** One thing done to the bits, in order. */
type Step =
  | { readonly kind: 'set' | 'clear'; readonly bits: number }
  /** Sets, if it is a directory or anyone could execute the file before the first step. */
  | { readonly kind: 'setIfExecutable'; readonly bits: number }
  /** The permissions of class `from` for the classes `to` (shifts: 6 user, 3 group, 0 other). */
  | {
      readonly kind: 'copy'
      readonly operator: Operator
      readonly from: number
      readonly to: readonly number[]
    }
type Operator = '+' | '-' | '='

/** All but the sticky bit: what "everyone" stands for. */
const everyone = 0o6777
const sticky = 0o1000
const classes: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: everyone }
const permissions: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111 }
const shifts: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }

/** The change that `text` (`755`, `u=rwX,go=rX`) describes; undefined when it is no mode. */
export function parseFileMode(text: string): ModeChange | undefined {
  if (/^[0-9]/.test(text)) {
    const fixed = octal.test(text) ? Number.parseInt(text, 8) : Number.POSITIVE_INFINITY
    return fixed > 0o7777 ? undefined : () => fixed
  }
  const parts = text.split(',')
  if (!parts.every((part) => partPattern.test(part))) return undefined
  const steps = parts.flatMap(stepsOfPart)
  return (mode, isDirectory) => {
    const isExecutable = isDirectory || (mode & 0o111) !== 0
    return steps.reduce((now, step) => take(now, step, isExecutable), mode)
  }
}

const partPattern = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/

function stepsOfPart(part: string): Step[] {
  const [, names = '', changes = ''] = partPattern.exec(part) ?? []
  const who = [...names].reduce((bits, name) => bits | (classes[name] ?? 0), 0)
  return [...changes.matchAll(/([-+=])([rwxXstugo]*)/g)].flatMap(([, operator, letters = '']) =>
    stepsOfChange(who, operator as Operator, letters),
  )
}

/** `who` is 0 when no class is named. */
function stepsOfChange(named: number, operator: Operator, letters: string): Step[] {
  const steps: Step[] = []
  let who = named
  let bits = 0
  let conditional = 0
  let hasAssigned = operator !== '='
  const chosen = (wanted: number): number => (who === 0 ? wanted : who & wanted)
  const apply = (): void => {
    if (bits === 0 && hasAssigned) return
    hasAssigned = true
    if (operator === '=') steps.push({ kind: 'clear', bits: who === 0 ? everyone : who })
    steps.push({ kind: operator === '-' ? 'clear' : 'set', bits: chosen(bits) })
    bits = 0
  }
  const applyConditional = (): void => {
    if (conditional !== 0) steps.push({ kind: 'setIfExecutable', bits: chosen(conditional) })
    conditional = 0
  }
  // Set-id and sticky bits are no business of "other" alone.
  const hasSpecial = (): boolean => who === 0 || (who & ~0o007) !== 0
  for (const letter of letters) {
    const from = shifts[letter]
    if (from !== undefined) {
      if (bits !== 0) apply()
      // A copy is an assignment of its own: nothing is cleared for an empty one behind it.
      hasAssigned = true
      applyConditional()
      const to = [6, 3, 0].filter((shift) => who === 0 || (who & (0o4 << shift)) !== 0)
      steps.push({ kind: 'copy', operator, from, to })
    } else if (letter === 's') {
      if (hasSpecial()) bits |= 0o6000
    } else if (letter === 't') {
      if (!hasSpecial()) continue
      // With no class named the sticky bit is then all that the change is about.
      who |= sticky
      bits |= sticky
    } else if (letter === 'X' && operator !== '-') {
      conditional = 0o111
    } else {
      bits |= permissions[letter.toLowerCase()] ?? 0
    }
  }
  apply()
  applyConditional()
  return steps
}

function take(mode: number, step: Step, isExecutable: boolean): number {
  switch (step.kind) {
    case 'set':
      return mode | step.bits
    case 'clear':
      return mode & ~step.bits
    case 'setIfExecutable':
      return isExecutable ? mode | step.bits : mode
    case 'copy': {
      const value = (mode >> step.from) & 0o7
      const at = (bits: number): number => step.to.reduce((all, shift) => all | (bits << shift), 0)
      if (step.operator === '+') return mode | at(value)
      return step.operator === '-' ? mode & ~at(value) : (mode & ~at(0o7)) | at(value)
    }
  }
}
