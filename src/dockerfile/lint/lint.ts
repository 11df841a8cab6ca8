// Runs the build checks and obeys `# check=`. The rules are one file each; a new one is added to the list here.
import type { Diagnostic } from '../../core/diagnostic.ts'
import type { Dockerfile, Instruction, Stages } from '../ast.ts'
import { type CheckOptions, checkText, parseCheckOptions } from '../check-options.ts'
import { consistentInstructionCasing } from './consistent-instruction-casing.ts'
import { duplicateStageName } from './duplicate-stage-name.ts'
import { fromAsCasing } from './from-as-casing.ts'
import { jsonArgsRecommended } from './json-args-recommended.ts'
import { legacyKeyValueFormat } from './legacy-key-value-format.ts'
import { maintainerDeprecated } from './maintainer-deprecated.ts'
import { multipleInstructionsDisallowed } from './multiple-instructions-disallowed.ts'
import { noEmptyContinuation } from './no-empty-continuation.ts'
import { reservedStageName } from './reserved-stage-name.ts'
import type { Finding, Rule } from './rule.ts'
import { stageNameCasing } from './stage-name-casing.ts'

/** Every rule, by name. */
export const rules: readonly Rule[] = [
  consistentInstructionCasing,
  duplicateStageName,
  fromAsCasing,
  jsonArgsRecommended,
  legacyKeyValueFormat,
  maintainerDeprecated,
  multipleInstructionsDisallowed,
  noEmptyContinuation,
  reservedStageName,
  stageNameCasing,
]

/**
 * What the rules find, in the order of the file. `options` (BUILDKIT_DOCKERFILE_CHECK) replace the file's own
 * `# check=`; a `check=` comment above an instruction adds to either, for that instruction.
 */
export function lint(
  file: Dockerfile,
  stages: Stages,
  options = checkOptionsOf(file),
): readonly Diagnostic[] {
  const found: Diagnostic[] = []
  for (const rule of rules) {
    for (const finding of rule.check({ file, stages })) {
      if (isOn(rule, [options, ...optionsAbove(finding.instruction)])) found.push(diagnosticOf(rule, finding))
    }
  }
  return found.sort((a, b) => (a.span?.start ?? 0) - (b.span?.start ?? 0))
}

/** What the file's `# check=` directive says. */
export function checkOptionsOf(file: Dockerfile): CheckOptions {
  const directive = file.directives.find(({ name }) => name === 'check')
  return parseCheckOptions(directive === undefined ? '' : checkText(directive.value))
}

function optionsAbove(instruction: Instruction): readonly CheckOptions[] {
  const comment = instruction.comments?.find((line) => /^check\s*=/i.test(line))
  return comment === undefined ? [] : [parseCheckOptions(checkText(comment.slice(comment.indexOf('=') + 1)))]
}

function isOn(rule: Rule, options: readonly CheckOptions[]): boolean {
  const names = (list: 'all' | readonly string[]): boolean => list === 'all' || list.includes(rule.name)
  if (rule.isExperimental) return options.some((o) => names(o.experimental))
  return !options.some((o) => names(o.skip))
}

function diagnosticOf({ name }: Rule, { message, span, notes, hint }: Finding): Diagnostic {
  return {
    code: name,
    severity: 'warning',
    message,
    span,
    ...(notes === undefined ? {} : { notes }),
    ...(hint === undefined ? {} : { hint }),
  }
}
