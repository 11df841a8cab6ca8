// Build args that no ARG asks for: nearly always a misspelt name.
import { type Diagnostic, nearest } from '../../../core/diagnostic.ts'
import { type Rule, warningOf } from '../rule.ts'

/** Differs: BuildKit's client says so in a line of its own, which no `# check=` turns off. */
export const unusedBuildArg: Rule = {
  name: 'UnusedBuildArg',
  description: 'Every --build-arg should have an ARG that takes it',
  origin: 'slipway',
}

/** One finding for all of `unused`, if any; `declared` are the names that have an ARG. */
export function checkUnused(unused: readonly string[], declared: Iterable<string>): Diagnostic[] {
  if (unused.length === 0) return []
  const names = [...declared]
  const close = unused.flatMap((key) => nearest(key, names) ?? [])
  const hint =
    close.length === 0
      ? `declare it where it is used: ARG ${unused[0]}`
      : `did you mean ${[...new Set(close)].join(', ')}?`
  const message = `One or more build-args [${unused.join(' ')}] were not consumed`
  return [warningOf(unusedBuildArg, { message, hint })]
}
