// Build args that no ARG asks for: nearly always a misspelt name.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Stages } from '../dockerfile/ast.ts'
import { checkUnused } from '../dockerfile/lint/planned/unused-build-arg.ts'
import { isBuiltinArg } from './builtin-args.ts'
import type { StageInstruction } from './lower/table.ts'
import { isProxyName } from './proxies.ts'

/** One warning that names every build arg without an ARG; `reached` are the instructions that run, triggers of base images among them, `globals` the names known before the first FROM. */
export function unusedBuildArgs(
  stages: Stages,
  reached: readonly StageInstruction[],
  buildArgs: Readonly<Record<string, string>>,
  globals: ReadonlySet<string>,
): Diagnostic[] {
  const declared = new Set(globals)
  // Stages that are not built count too: an argument is no mistake because another target uses it.
  for (const instruction of [...stages.stages.flatMap((stage) => stage.instructions), ...reached]) {
    const inner = instruction.kind === 'ONBUILD' ? instruction.trigger : instruction
    if (inner.kind === 'ARG') for (const pair of inner.pairs) declared.add(pair.key.text)
  }
  const unused = Object.keys(buildArgs)
    .filter((key) => !declared.has(key) && !isBuiltinArg(key) && !isProxyName(key))
    .sort()
  return checkUnused(unused, declared)
}
