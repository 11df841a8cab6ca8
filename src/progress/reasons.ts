// Why a step missed, in words: one phrase a reason, the step's instruction in front where it is a first cause.
import type { MissReason, StepId } from '../core/event.ts'
import { printable } from './model.ts'

/** What the words need to know of other steps. */
export interface StepNames {
  titleOf(step: StepId): string
  /** Whether it ran, rather than being another one than last time. */
  hasRun(step: StepId): boolean
}

/** Whether the reason lies in the step itself: what only passes another step's change on is told quietly, and so is a first build. */
export function isFirstCause({ kind }: MissReason): boolean {
  return kind !== 'input' && kind !== 'first'
}

/** Leaves out what is no news, step by step in order: a variable that was told of a step below those that stand on it. */
export function newsOnly(): (reasons: readonly MissReason[]) => readonly MissReason[] {
  const variables = new Set<string>()
  return (reasons) => {
    const stands = reasons.some(({ kind }) => kind === 'input')
    const isNews = (reason: MissReason) =>
      reason.kind !== 'variable' || !stands || !variables.has(JSON.stringify(reason))
    const news = reasons.filter(isNews)
    for (const reason of reasons) if (reason.kind === 'variable') variables.add(JSON.stringify(reason))
    return news
  }
}

/** `COPY src . — src/app.ts changed` or, without a first cause, `because COPY src . ran`. */
export function missText(title: string, reasons: readonly MissReason[], names: StepNames): string {
  const causes = reasons.filter(isFirstCause)
  const told = causes.length > 0 ? causes : reasons
  const texts = [...new Set(told.map((reason) => reasonText(reason, names)))]
  const text = texts.join(', ')
  return causes.length > 0 ? `${asWritten(title)} — ${text}` : text
}

/** A FROM without what the plan has put to its name. */
function asWritten(title: string): string {
  const name = /^FROM (\S+:[^\s/:@]+)@sha256:[0-9a-f]{64}$/.exec(title)?.[1]
  if (name === undefined) return title
  return `FROM ${name.replace(/^docker\.io\/(?:library\/)?/, '').replace(/:latest$/, '')}`
}

function reasonText(reason: MissReason, names: StepNames): string {
  switch (reason.kind) {
    case 'first':
      return 'not built before'
    case 'new':
      return 'new step'
    case 'forced':
      return 'asked to run (--no-cache or --no-cache-filter)'
    case 'evicted':
      return 'unchanged, but its result is not in the cache any more'
    case 'unfinished':
      return 'unchanged, but not done in the last build'
    case 'op':
      return fieldText(reason.field, reason.was, reason.now)
    case 'variable':
      return `${reason.from} ${reason.name} ${variableText(reason)}`
    case 'image':
      return `tag moved ${short(reason.was)}→${short(reason.now)}`
    case 'files':
      return filesText(reason)
    case 'content':
      return 'its files changed'
    case 'moved':
      return `no ${asWritten(printable(reason.was))} right before it any more`
    case 'input':
      return `because ${asWritten(names.titleOf(reason.step))} ${names.hasRun(reason.step) ? 'ran' : 'changed'}`
  }
}

function fieldText(field: string, before: unknown, after: unknown): string {
  const { was, now, isCut } = told(before, after)
  if (field === 'instruction') return isCut ? `${was}→${now}` : `was ${was}`
  if (field === 'reference') return `${was}→${now}`
  if (field === 'checksum') return `content ${was}→${now}`
  if (field === 'base' || field === 'root') {
    if (before === null) return 'nothing was below it'
    if (after === null) return 'nothing is below it any more'
  }
  const name =
    fieldNames.get(field) ?? field.replace(/^actions\[\d+\]\./, '').replace(/^args\[\d+\]$/, 'command')
  if (was === undefined) return `${name} ${now} added`
  return now === undefined ? `${name} ${was} removed` : `${name} ${was}→${now}`
}

/** What parts of ops are called in Dockerfiles. */
const fieldNames: ReadonlyMap<string, string> = new Map([
  ['cwd', 'WORKDIR'],
  ['user', 'USER'],
])

function variableText({ was, now, isMasked }: Extract<MissReason, { kind: 'variable' }>): string {
  if (isMasked) return 'changed (value not shown)'
  const texts = told(was, now)
  if (was === undefined) return `added: ${texts.now}`
  return now === undefined ? `removed: ${texts.was}` : `${texts.was}→${texts.now}`
}

/** Two values, each cut to what a line has room for; what both begin with is left out where the difference would not be seen else. */
function told(before: unknown, after: unknown) {
  const [was, now] = [textOf(before), textOf(after)]
  const isLong = was !== undefined && now !== undefined && Math.max(was.length, now.length) > mostText
  const same = isLong ? Math.max(0, commonLength(was, now) - leading) : 0
  if (same === 0) return { was: shown(was), now: shown(now), isCut: false }
  const rest = (text: string | undefined) => `…${shown(text?.slice(same))}`
  return { was: rest(was), now: rest(now), isCut: true }
}

/** So much of what is the same is shown before a difference. */
const leading = 20

function commonLength(one: string, other: string): number {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return length
}

function filesText({ changed, added, removed, more }: Extract<MissReason, { kind: 'files' }>): string {
  const texts = [
    ...changed.map((path) => `${printable(path)} changed`),
    ...added.map((path) => `${printable(path)} added`),
    ...removed.map((path) => `${printable(path)} removed`),
  ]
  const told = texts.slice(0, mostFiles)
  const left = more + texts.length - told.length
  return `${told.join(', ')}${left === 0 ? '' : `, and ${left} more`}`
}

const mostFiles = 5
const mostText = 80

function textOf(value: unknown): string | undefined {
  if (value === undefined) return undefined
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return short(printable(text.replaceAll('\n', '\\n')))
}

function shown(text: string | undefined): string | undefined {
  if (text === '') return '""'
  return text === undefined || text.length <= mostText ? text : `${text.slice(0, mostText)}…`
}

/** A digest as far as it tells one from another. */
function short(text: string): string {
  return text
    .replace(/\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b/g, '$1')
    .replace(/^([0-9a-f]{12})[0-9a-f]{28}$/, '$1')
}
