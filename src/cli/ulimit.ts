// `--ulimit name=soft[:hard]` as docker reads it.
import { type Ulimit, ulimitNames } from '../graph/op.ts'
import { usageError } from './command.ts'

/** The limits by name; of several for one resource the last counts. */
export function ulimits(texts: readonly string[]): Ulimit[] {
  const limits = new Map(texts.map(ulimit).map((limit) => [limit.name, limit]))
  return [...limits.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function ulimit(text: string): Ulimit {
  const [, given, values] = /^([^=]*)=(.*)$/s.exec(text) ?? []
  if (given === undefined || values === undefined) throw usageError('--ulimit', text, 'name=soft[:hard]')
  const name = ulimitNames.find((known) => known === given)
  if (name === undefined) throw usageError('--ulimit', text, `one of ${ulimitNames.join(', ')}`)
  const [soft, hard = soft, ...more] = values.split(':').map(Number)
  if (soft === undefined || hard === undefined || more.length > 0 || !/^(-1|\d+)(:(-1|\d+))?$/.test(values)) {
    throw usageError('--ulimit', text, 'whole numbers, soft[:hard], or -1 for no limit')
  }
  if (!Number.isSafeInteger(soft) || !Number.isSafeInteger(hard)) {
    throw usageError('--ulimit', text, 'numbers below 2^53, or -1 for no limit')
  }
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw usageError('--ulimit', text, 'a soft limit that is not above the hard one')
  }
  return { name, soft, hard }
}
