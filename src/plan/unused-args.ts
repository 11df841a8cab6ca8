// Build args that no ARG asks for: nearly always a misspelt name.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Stages } from '../dockerfile/ast.ts'
import { checkUnused } from '../dockerfile/lint/planned/unused-build-arg.ts'
import type { StageInstruction } from './lower/table.ts'
import { isProxyName } from './proxies.ts'

/** Build args the builder reads itself (field.md §1.5 "Builtin build-args"). */
const builtin: ReadonlySet<string> = new Set([
  'BUILDKIT_BUILD_NAME',
  'BUILDKIT_CACHE_MOUNT_NS',
  'BUILDKIT_CONTEXT_KEEP_GIT_DIR',
  'BUILDKIT_DOCKERFILE_CHECK',
  'BUILDKIT_INLINE_CACHE',
  'BUILDKIT_MULTI_PLATFORM',
  'BUILDKIT_SANDBOX_HOSTNAME',
  'BUILDKIT_SBOM_SCAN_CONTEXT',
  'BUILDKIT_SBOM_SCAN_STAGE',
  'BUILDKIT_SYNTAX',
  'SOURCE_DATE_EPOCH',
])

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
    .filter((key) => !declared.has(key) && !builtin.has(key) && !isProxyName(key))
    .sort()
  return checkUnused(unused, declared)
}
