// `--filter` of prune and du, as docker buildx has them: `until=24h`, `type=exec.cachemount`, `id=3f2a`, `inuse`, `shared`,
// and an operator between key and value, `=` (equal; of an id a part), `!=`, `~=` (a regular expression), `!~=`.
import { parseDuration } from '../core/duration.ts'
import { SlipwayError } from '../core/error.ts'
import { type Item, itemTypes } from './types.ts'

export type Filter = (item: Item) => boolean

/** An item that all of `texts` let through. Throws ERR_FILTER. */
export function filterFrom(texts: readonly string[], nowMs: number): Filter {
  const filters = texts.flatMap((text) => text.split(',')).map((text) => oneFilter(text, nowMs))
  const ages = texts.filter((text) => /(^|,)(until|unused-for)=/.test(text))
  if (ages.length > 1) throw wrong(ages.join(','), 'until and unused-for can be given once')
  return (item) => filters.every((filter) => filter(item))
}

const facts: Readonly<Record<string, Filter>> = {
  inuse: (item) => item.isInUse,
  mutable: (item) => item.isMutable,
  immutable: (item) => !item.isMutable,
  shared: (item) => item.isShared,
  private: (item) => !item.isShared,
}

const texts: Readonly<Record<string, (item: Item) => string>> = {
  id: (item) => item.id,
  parents: (item) => item.parents.join(';'),
  description: (item) => item.description,
  type: (item) => item.type,
}

function oneFilter(text: string, nowMs: number): Filter {
  const [, key = '', operator, value = ''] = /^([^=!~]*)(!~=|!=|~=|==|=)?(.*)$/s.exec(text) ?? []
  if (key === 'until' || key === 'unused-for') return unusedFor(text, operator, value, nowMs)
  const fact = Object.hasOwn(facts, key) ? facts[key] : undefined
  if (fact !== undefined) {
    if (operator === undefined) return fact
    if (operator !== '=' && operator !== '==') throw wrong(text, `${key} has no value`)
    if (!['true', '1', 'false', '0'].includes(value)) throw wrong(text, `${key} is true or false`)
    return (item) => fact(item) === (value === 'true' || value === '1')
  }
  const read = Object.hasOwn(texts, key) ? texts[key] : undefined
  if (read === undefined || operator === undefined) {
    const known = ['until', ...Object.keys(facts), ...Object.keys(texts)].join(', ')
    throw wrong(text, read === undefined ? `known are ${known}` : `${key} needs a value`)
  }
  if (key === 'type' && (operator === '=' || operator === '==') && !isType(value)) {
    throw wrong(text, `types are ${itemTypes.join(', ')}`)
  }
  return compare(text, read, operator, value)
}

function isType(value: string): boolean {
  return itemTypes.some((type) => type === value)
}

function compare(text: string, read: (item: Item) => string, operator: string, value: string): Filter {
  // BuildKit's `id=` is `id~=`: what people have is the beginning of one.
  if (operator === '=' && read === texts.id) return (item) => item.id.includes(value)
  if (operator === '=' || operator === '==') return (item) => read(item) === value
  if (operator === '!=') return (item) => read(item) !== value
  const pattern = regularExpression(text, value)
  return operator === '~=' ? (item) => pattern.test(read(item)) : (item) => !pattern.test(read(item))
}

function regularExpression(text: string, value: string): RegExp {
  try {
    return new RegExp(value)
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown
    throw wrong(text, 'that is no regular expression')
  }
}

function unusedFor(text: string, operator: string | undefined, value: string, nowMs: number): Filter {
  const duration = operator === '=' ? parseDuration(value) : 'it has the form until=24h'
  if (typeof duration === 'string') throw wrong(text, duration)
  return (item) => item.lastUsedMs <= nowMs - duration / 1e6
}

function wrong(text: string, why: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_FILTER',
    message: `filter ${JSON.stringify(text)}: ${why}`,
    data: { exitStatus: 125 },
  })
}
