// What is different between an op and the same step's op of an earlier build, apart from its inputs.
import { canonicalJson } from '../core/canonical-json.ts'
import { isDigest } from '../core/digest.ts'
import type { MissReason } from '../core/event.ts'
import { isSecretName } from '../core/secret-name.ts'
import type { Outline } from './outline.ts'

/** One side of the comparison. */
export interface Compared {
  readonly title: string
  readonly outline: Outline
  /** ARGs that the step may have its values from. */
  readonly args: Readonly<Record<string, string>>
  /** The image that a FROM asks for. */
  readonly reference?: string
}

/** The differences that lie in the step itself, the most telling ones: variables by name, a changed instruction as such. */
export function differences(was: Compared, now: Compared): readonly MissReason[] {
  if (now.outline.kind === 'image') return imageReasons(was, now)
  const variables = variableReasons(was, now)
  const { env: wasEnv, ...wasRest } = was.outline
  const { env: nowEnv, ...nowRest } = now.outline
  const fields: MissReason[] = []
  compare(wasRest, nowRest, '', fields)
  if (fields.length === 0) return variables
  if (was.title !== now.title) {
    return [...variables, { kind: 'op', field: 'instruction', was: was.title, now: now.title }]
  }
  const shells = shellReason(wasRest.args, nowRest.args)
  if (shells !== undefined) {
    return [...variables, shells, ...fields.filter((reason) => !isOfArgs(reason))]
  }
  // A COPY whose paths come from an ARG says it with the ARG.
  return nowEnv === undefined && variables.length > 0 ? variables : [...variables, ...fields]
}

/** The shell form under another SHELL: only what stands in front of the command is different. */
function shellReason(was: unknown, now: unknown): MissReason | undefined {
  if (!isWords(was) || !isWords(now) || was.length < 2 || now.length < 2) return undefined
  const [before, after] = [was, now].map((words) => words.slice(0, -1).join(' '))
  if (was.at(-1) !== now.at(-1) || before === after) return undefined
  return { kind: 'op', field: 'SHELL', was: before, now: after }
}

function isOfArgs(reason: MissReason): boolean {
  return reason.kind === 'op' && /^args\b/.test(reason.field)
}

function isWords(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((word) => typeof word === 'string')
}

function imageReasons(was: Compared, now: Compared): readonly MissReason[] {
  if (was.reference !== now.reference && was.reference !== undefined && now.reference !== undefined) {
    return [{ kind: 'op', field: 'reference', was: was.reference, now: now.reference }]
  }
  const [before, after] = [was.outline.manifest, now.outline.manifest]
  if (isDigest(before) && isDigest(after) && before !== after) {
    return [{ kind: 'image', reference: now.reference ?? now.title, was: before, now: after }]
  }
  const fields: MissReason[] = []
  compare(was.outline, now.outline, '', fields)
  return fields
}

type Variables = Readonly<Record<string, string>>
type Variable = Extract<MissReason, { kind: 'variable' }>

function variableReasons(was: Compared, now: Compared): Variable[] {
  const [before, after] = [visible(was), visible(now)]
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name): Variable[] => {
    const [old, current] = [before[name], after[name]]
    if (old === current) return []
    const from = name in now.args || name in was.args ? 'ARG' : 'ENV'
    if (isSecretName(name)) return [{ kind: 'variable', name, from, isMasked: true }]
    return [
      {
        ...({ kind: 'variable', name, from } as const),
        ...(old === undefined ? {} : { was: old }),
        ...(current === undefined ? {} : { now: current }),
      },
    ]
  })
}

/** What a process sees, or the ARGs that a COPY or WORKDIR names. */
function visible({ outline, args }: Compared): Variables {
  return isObject(outline.env) ? environment(outline) : args
}

/** What a process sees: nothing for ops without one. */
export function environment({ env }: Outline): Variables {
  return isObject(env) ? (env as Variables) : {}
}

/** A shorter value is found in others by chance. */
const leastWithin = 4

/** Whether a variable changed only as the variables `was` did to `now`: it is one of theirs, or made with one. */
export function broughtBy(
  was: Variables,
  now: Variables,
): (name: string, before: string | undefined, after: string | undefined) => boolean {
  const changed = Object.keys({ ...was, ...now }).filter((name) => was[name] !== now[name])
  const within = changed
    .map((name) => ({ old: was[name] ?? '', current: now[name] ?? '' }))
    .filter(({ old }) => old.length >= leastWithin)
    .sort((a, b) => b.old.length - a.old.length)
  return (name, before, after) =>
    (changed.includes(name) && before === was[name] && after === now[name]) ||
    (before !== undefined &&
      within.reduce((value, { old, current }) => value.replaceAll(old, () => current), before) === after)
}

// Descends to the smallest part that differs: `actions[0].mode`, not `actions`.
function compare(was: unknown, now: unknown, field: string, reasons: MissReason[]): void {
  if (canonicalJson(was) === canonicalJson(now)) return
  if (Array.isArray(was) && Array.isArray(now) && was.length === now.length) {
    for (const [i, item] of now.entries()) compare(was[i], item, `${field}[${i}]`, reasons)
  } else if (isObject(was) && isObject(now)) {
    for (const name of [...new Set([...Object.keys(was), ...Object.keys(now)])].sort()) {
      compare(was[name], now[name], field === '' ? name : `${field}.${name}`, reasons)
    }
  } else {
    reasons.push({ kind: 'op', field, ...(was !== undefined && { was }), ...(now !== undefined && { now }) })
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
