// ENV: variables of the image and of everything after. All words of one ENV see the values from before it.
import type { Env } from '../../dockerfile/ast.ts'
import { checkSecretName } from '../../dockerfile/lint/planned/secrets-used-in-arg-or-env.ts'
import { expandIn } from '../expand.ts'
import { type Lower, withConfig, withHistory } from '../state.ts'

export const lowerEnv: Lower<Env> = (state, instruction, cx) => {
  const pairs = instruction.pairs.map((pair) => {
    const key = expandIn(pair.key, state, cx)
    for (const found of checkSecretName('ENV', key, pair.key.span)) cx.report(found)
    return { key, value: expandIn(pair.value, state, cx) }
  })
  let { env } = state
  const entries = [...(state.config.Env ?? [])]
  for (const { key, value } of pairs) {
    env = env.with(key, value)
    setEntry(entries, key, value)
  }
  const after = withConfig({ ...state, env }, { Env: entries })
  return withHistory(after, `ENV ${pairs.map(({ key, value }) => `${key}=${value}`).join(' ')}`, cx)
}

/** Sets one of the `KEY=value` entries; a known key keeps its place. */
function setEntry(entries: string[], key: string, value: string): void {
  const known = entries.findIndex((entry) => entry.startsWith(key) && (entry[key.length] ?? '=') === '=')
  entries[known === -1 ? entries.length : known] = `${key}=${value}`
}
