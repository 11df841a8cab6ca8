// Every build check there is. A new one is a file beside these and a line here.

import { ignoredCheckOption } from './ignored-check-option.ts'
import { copyIgnoredFile } from './planned/copy-ignored-file.ts'
import { duplicateMountTarget } from './planned/duplicate-mount-target.ts'
import { exposeInvalidFormat } from './planned/expose-invalid-format.ts'
import { exposeProtoCasing } from './planned/expose-proto-casing.ts'
import { fromPlatformFlagConstDisallowed } from './planned/from-platform-flag-const-disallowed.ts'
import { ignoredMountOption } from './planned/ignored-mount-option.ts'
import { invalidBaseImagePlatform } from './planned/invalid-base-image-platform.ts'
import { invalidDefaultArgInFrom } from './planned/invalid-default-arg-in-from.ts'
import { jsonArgsRecommended } from './planned/json-args-recommended.ts'
import { legacyKeyValueFormat } from './planned/legacy-key-value-format.ts'
import { mountWithoutTarget } from './planned/mount-without-target.ts'
import { multipleInstructionsDisallowed } from './planned/multiple-instructions-disallowed.ts'
import { redundantTargetPlatform } from './planned/redundant-target-platform.ts'
import { secretsUsedInArgOrEnv } from './planned/secrets-used-in-arg-or-env.ts'
import { undefinedArgInFrom } from './planned/undefined-arg-in-from.ts'
import { undefinedVar } from './planned/undefined-var.ts'
import { unknownCacheFilter } from './planned/unknown-cache-filter.ts'
import { unusedBuildArg } from './planned/unused-build-arg.ts'
import { workdirRelativePath } from './planned/workdir-relative-path.ts'
import type { Rule, TreeRule } from './rule.ts'
import { consistentInstructionCasing } from './tree/consistent-instruction-casing.ts'
import { duplicateStageName } from './tree/duplicate-stage-name.ts'
import { fromAsCasing } from './tree/from-as-casing.ts'
import { ignoredFlag } from './tree/ignored-flag.ts'
import { invalidDefinitionDescription } from './tree/invalid-definition-description.ts'
import { jsonFormIgnored } from './tree/json-form-ignored.ts'
import { lateDirective } from './tree/late-directive.ts'
import { maintainerDeprecated } from './tree/maintainer-deprecated.ts'
import { misplacedFlag } from './tree/misplaced-flag.ts'
import { misspeltDirective } from './tree/misspelt-directive.ts'
import { noEmptyContinuation } from './tree/no-empty-continuation.ts'
import { reservedStageName } from './tree/reserved-stage-name.ts'
import { sourceAboveContext } from './tree/source-above-context.ts'
import { stageNameCasing } from './tree/stage-name-casing.ts'
import { swallowedInstruction } from './tree/swallowed-instruction.ts'
import { trailingComment } from './tree/trailing-comment.ts'
import { variableInExclude } from './tree/variable-in-exclude.ts'

/** The rules whose findings show on the tree alone. */
export const treeRules: readonly TreeRule[] = [
  consistentInstructionCasing,
  duplicateStageName,
  fromAsCasing,
  ignoredFlag,
  invalidDefinitionDescription,
  jsonFormIgnored,
  lateDirective,
  maintainerDeprecated,
  misplacedFlag,
  misspeltDirective,
  noEmptyContinuation,
  reservedStageName,
  sourceAboveContext,
  stageNameCasing,
  swallowedInstruction,
  trailingComment,
  variableInExclude,
]

/** Every rule: BuildKit's first, then slipway's own, each by name. */
export const rules: readonly Rule[] = [
  ...treeRules,
  copyIgnoredFile,
  duplicateMountTarget,
  exposeInvalidFormat,
  exposeProtoCasing,
  fromPlatformFlagConstDisallowed,
  ignoredMountOption,
  invalidBaseImagePlatform,
  invalidDefaultArgInFrom,
  jsonArgsRecommended,
  legacyKeyValueFormat,
  mountWithoutTarget,
  multipleInstructionsDisallowed,
  redundantTargetPlatform,
  secretsUsedInArgOrEnv,
  undefinedArgInFrom,
  undefinedVar,
  ignoredCheckOption,
  unknownCacheFilter,
  unusedBuildArg,
  workdirRelativePath,
].sort((a, b) => (a.origin === b.origin ? (a.name < b.name ? -1 : 1) : a.origin < b.origin ? -1 : 1))

/** The rule a diagnostic with this code comes from; undefined for mistakes, which are no matter of rules. */
export function ruleNamed(code: string): Rule | undefined {
  return rules.find(({ name }) => name === code)
}
