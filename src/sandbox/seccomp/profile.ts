// The profile of profile.json as decisions about system call numbers: what each architecture answers to each of
// them. What the kernel is handed for that is filter.ts's.
import { constants } from 'node:os'
import { invariant } from '../../core/error.ts'
import numbers from './numbers.json' with { type: 'json' }
import profile from './profile.json' with { type: 'json' }

/** An architecture of system calls, in the words of uname. */
export type Architecture = 'x86_64' | 'i386' | 'aarch64' | 'arm'

/** A condition on the low 32 bits of one argument; where it does not hold the call fails with `error`. */
export interface Condition {
  readonly argument: number
  readonly test: 'not' | 'only' | 'noneOfTheBits'
  readonly values: readonly number[]
  readonly error: number
}

/** What happens to a call: it is made, made if a condition holds, or fails with an errno. */
export type Decision =
  | { readonly kind: 'allow' }
  | { readonly kind: 'allow-if'; readonly condition: Condition }
  | { readonly kind: 'fail'; readonly error: number }

export interface Decisions {
  /** By number: the calls that the profile names. Equal decisions are one object. */
  readonly named: ReadonlyMap<number, Decision>
  /** For every other call up to `newest`. */
  readonly otherwise: Decision
  /** The highest number of a named call. */
  readonly newest: number
  /** For calls behind `newest`. */
  readonly newer: Decision
}

/** What `architecture` answers to every system call number. */
export function decisionsOf(architecture: Architecture): Decisions {
  const column = numbers.architectures.indexOf(architecture)
  const named = new Map<number, Decision>()
  for (const [name, decision] of namedDecisions()) {
    const number = numbersOf(name)[column] ?? null
    if (number !== null) named.set(number, decision)
  }
  // What ARM has beside its list of calls does not say how new that is.
  const newest = Math.max(...[...named.keys()].filter((number) => number < privateToArm))
  return { named, otherwise: failWith(profile.otherwise), newest, newer: failWith(profile.newer) }
}

const privateToArm = 0xf0000

function namedDecisions(): Map<string, Decision> {
  const decisions = new Map<string, Decision>()
  const add = (name: string, decision: Decision): void => {
    invariant(!decisions.has(name), `the seccomp profile decides ${name} twice`)
    decisions.set(name, decision)
  }
  const allow: Decision = { kind: 'allow' }
  for (const name of profile.allow) add(name, allow)
  for (const [name, { error }] of Object.entries(profile.refuse)) add(name, failWith(error))
  for (const [name, restriction] of Object.entries(profile.restrict)) {
    add(name, { kind: 'allow-if', condition: conditionOf(restriction) })
  }
  return decisions
}

/** What the profile says of a call that is allowed for some values of an argument only. */
export interface Restriction {
  readonly argument: number
  readonly not?: readonly string[]
  readonly only?: readonly string[]
  readonly noneOfTheBits?: string
}

function conditionOf({ argument, not, only, noneOfTheBits }: Restriction): Condition {
  const error = errorNumber(profile.otherwise)
  if (not !== undefined) return { argument, test: 'not', values: not.map(Number), error }
  if (only !== undefined) return { argument, test: 'only', values: only.map(Number), error }
  invariant(noneOfTheBits !== undefined, 'a restriction of the seccomp profile says nothing')
  return { argument, test: 'noneOfTheBits', values: [Number(noneOfTheBits)], error }
}

function numbersOf(name: string): readonly (number | null)[] {
  const found = (numbers.calls as Readonly<Record<string, readonly (number | null)[]>>)[name]
  invariant(found !== undefined, `the seccomp profile names ${name}, which is no system call`)
  return found
}

function failWith(error: string): Decision {
  return { kind: 'fail', error: errorNumber(error) }
}

/** The number of an errno that the profile names. */
export function errorNumber(name: string): number {
  const found = (constants.errno as Readonly<Record<string, number>>)[name]
  invariant(found !== undefined, `the seccomp profile names ${name}, which is no errno`)
  return found
}
