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
      return 'asked to run (--no-cache)'
    case 'evicted':
      return 'unchanged, but its result is not in the cache any more'
    case 'unfinished':
      return 'unchanged, but not done in the last build'
    case 'op':
      return fieldText(reason.field, shown(reason.was), shown(reason.now))
    case 'variable':
      return `${reason.from} ${reason.name} ${variableText(reason)}`
    case 'image':
      return `tag moved ${short(reason.was)}→${short(reason.now)}`
    case 'files':
      return filesText(reason)
    case 'content':
      return 'its files changed'
    case 'input':
      return `because ${asWritten(names.titleOf(reason.step))} ${names.hasRun(reason.step) ? 'ran' : 'changed'}`
  }
}

function fieldText(field: string, was: string | undefined, now: string | undefined): string {
  if (field === 'instruction') return `was ${was}`
  if (field === 'reference') return `${was}→${now}`
  if (field === 'checksum') return `content ${was}→${now}`
  if (was === undefined) return `${field} ${now} added`
  return now === undefined ? `${field} ${was} removed` : `${field} ${was}→${now}`
}

function variableText({ was, now, isMasked }: Extract<MissReason, { kind: 'variable' }>): string {
  if (isMasked) return 'changed (value not shown)'
  if (was === undefined) return `added: ${shown(now)}`
  return now === undefined ? `removed: ${shown(was)}` : `${shown(was)}→${shown(now)}`
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

function shown(value: unknown): string | undefined {
  if (value === undefined) return undefined
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value))
  const brief = short(text)
  if (brief === '') return '""'
  return brief.length <= mostText ? brief : `${brief.slice(0, mostText)}…`
}

/** A digest as far as it tells one from another. */
function short(text: string): string {
  return text
    .replace(/\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b/g, '$1')
    .replace(/^([0-9a-f]{12})[0-9a-f]{28}$/, '$1')
}
