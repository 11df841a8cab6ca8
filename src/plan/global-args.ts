// Arguments outside of stages: the predefined ones and the ARGs before the first FROM.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Stages } from '../dockerfile/ast.ts'
import { expandWith } from './expand.ts'
import { predefined } from './predefined.ts'
import type { PlanOptions } from './types.ts'

/** What FROM may use, and what an `ARG name` without default takes its value from. */
export interface GlobalArgs {
  readonly values: ReadonlyMap<string, string>
  /** Every name that is predefined or declared, with or without a value. */
  readonly names: ReadonlySet<string>
}

/** The global arguments with these build args. Each default sees the arguments before it. */
export function globalArgs(
  stages: Stages,
  options: PlanOptions,
  buildArgs: Readonly<Record<string, string>>,
  report: (diagnostic: Diagnostic) => void,
): GlobalArgs {
  const values = predefined(stages, options, buildArgs)
  const names = new Set(values.keys())
  for (const { key, value } of stages.global.flatMap((arg) => arg.pairs)) {
    names.add(key.text)
    if (Object.hasOwn(buildArgs, key.text)) {
      values.set(key.text, buildArgs[key.text] ?? '')
    } else if (value !== undefined) {
      const expanded = expandWith(value, values, stages.escape)
      for (const diagnostic of expanded.diagnostics) report(diagnostic)
      values.set(key.text, expanded.text)
    }
  }
  return { values, names }
}
