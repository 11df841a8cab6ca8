// ENV: variables of the image and of everything after. All words of one ENV see the values from before it.
import type { Env } from '../../dockerfile/ast.ts'
import { checkSecretName } from '../../dockerfile/lint/planned/secrets-used-in-arg-or-env.ts'
import { expandIn } from '../expand.ts'
import { type Lower, withHistory } from '../state.ts'

export const lowerEnv: Lower<Env> = (state, instruction, cx) => {
  const pairs = instruction.pairs.map((pair) => {
    const key = expandIn(pair.key, state, cx)
    for (const found of checkSecretName('ENV', key, pair.key.span)) cx.report(found)
    return { key, value: expandIn(pair.value, state, cx) }
  })
  let { env, set } = state
  for (const { key, value } of pairs) {
    env = env.with(key, value)
    set = { key, value, before: set }
  }
  const text = `ENV ${pairs.map(({ key, value }) => `${key}=${value}`).join(' ')}`
  return withHistory({ ...state, env, set }, text, cx)
}
