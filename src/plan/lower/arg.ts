// ARG inside a stage: a build argument comes before the default, the default before the global ARG of that name.
import type { Arg } from '../../dockerfile/ast.ts'
import { checkSecretName } from '../../dockerfile/lint/planned/secrets-used-in-arg-or-env.ts'
import { builderOnly, expandIn } from '../expand.ts'
import { argsSince, type Lower, type LowerContext, type StageState, withHistory } from '../state.ts'

export const lowerArg: Lower<Arg> = (state, instruction, cx) => {
  let { args, env, unset } = state
  // Each pair sees the ones before it: BuildKit sets them one by one, unlike ENV.
  for (const pair of instruction.pairs) {
    const key = pair.key.text
    for (const found of checkSecretName('ARG', key, pair.key.span)) cx.report(found)
    const value = argValue(pair, { ...state, args, env }, cx)
    args = { arg: value === undefined ? { key } : { key, value }, before: args }
    if (value === undefined || builderOnly.has(key)) unset = unset.with(key, '')
    else env = env.with(key, value)
  }
  const after = { ...state, args, env, unset }
  const texts = argsSince(args, state.args).map(({ key, value }) =>
    value === undefined ? key : `${key}=${value}`,
  )
  return withHistory(after, `ARG ${texts.join(' ')}`, cx)
}

function argValue(pair: Arg['pairs'][number], state: StageState, cx: LowerContext): string | undefined {
  const key = pair.key.text
  if (Object.hasOwn(cx.options.buildArgs, key)) return cx.options.buildArgs[key]
  if (pair.value !== undefined) return expandIn(pair.value, state, cx)
  return cx.globalArgs.get(key)
}
