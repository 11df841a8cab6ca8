// `# check=`, `check=` comments and BUILDKIT_DOCKERFILE_CHECK: the one place that decides which findings are shown, and
// whether they fail the build.
import { type Diagnostic, hasErrors } from '../../core/diagnostic.ts'
import type { Span } from '../../core/span.ts'
import type { Dockerfile, Instruction } from '../ast.ts'
import { type CheckOptions, checkText, parseCheckOptions, placeOfPart } from '../check-options.ts'
import { checkOptionText, type WrittenOptions } from './ignored-check-option.ts'
import { jsonArgsRecommended } from './planned/json-args-recommended.ts'
import { ruleNamed, rules } from './registry.ts'
import type { Rule } from './rule.ts'
import { jsonFormIgnored } from './tree/json-form-ignored.ts'

/** What the file is checked under. */
export interface CheckSettings {
  readonly file: Dockerfile
  /** `--build-arg`; BUILDKIT_DOCKERFILE_CHECK among them takes the place of the whole directive. */
  readonly buildArgs: Readonly<Record<string, string>>
}

/**
 * What is shown of everything `found` in a file: mistakes all, findings of rules that are on where they stand, each
 * once, in the order of the file. With `error=true` and a finding of BuildKit's rules an error (`LintViolation`) comes last.
 */
export function obeyChecks(
  found: readonly Diagnostic[],
  { file, buildArgs }: CheckSettings,
): readonly Diagnostic[] {
  const whole = fileOptions(file, buildArgs)
  const { options, span } = whole
  const above = commentOptions(file.instructions)
  const asked = [whole, ...above].flatMap((written) => checkOptionText(written, rules))
  const shown = new Map<string, Diagnostic>()
  const violated = new Set<string>()
  for (const diagnostic of [...mistakesOf(whole), ...found, ...asked]) {
    const rule = diagnostic.severity === 'warning' ? ruleNamed(diagnostic.code) : undefined
    if (rule !== undefined && !isOn(rule, [options, ...optionsAt(diagnostic.span, above)])) continue
    if (rule?.origin === 'buildkit') violated.add(rule.name)
    shown.set(placeOf(diagnostic), diagnostic)
  }
  const all = inOrder(options.error ? shown.values() : withoutRepeated(shown.values()), file.file)
  if (!options.error || violated.size === 0 || hasErrors(all)) return all
  return [...all, violation([...violated].sort(), span)]
}

const argument = 'BUILDKIT_DOCKERFILE_CHECK'

function fileOptions(file: Dockerfile, buildArgs: CheckSettings['buildArgs']): WrittenOptions {
  if (Object.hasOwn(buildArgs, argument)) {
    const value = buildArgs[argument] ?? ''
    return { options: parseCheckOptions(value), value, isComment: false }
  }
  const directive = file.directives.find(({ name }) => name === 'check')
  const value = directive?.value ?? ''
  const options = parseCheckOptions(checkText(value))
  return { options, value, isComment: false, ...(directive && { span: directive.valueSpan }) }
}

function mistakesOf({ options: { fault, meant, faulty = '' }, span, value }: WrittenOptions): Diagnostic[] {
  if (fault === undefined) return []
  const message = `failed to parse ${span === undefined ? argument : 'check options'}: ${fault}`
  const hint = meant === undefined ? `write it as ${example(span)}` : `did you mean ${meant}?`
  const place = span === undefined ? {} : { span: placeOfPart(value, faulty, span) }
  return [{ code: 'InvalidCheck', severity: 'error', message, hint, ...place }]
}

function example(span: Span | undefined): string {
  return `${span === undefined ? `${argument}=` : '# check='}skip=RuleA,RuleB;error=true`
}

/** An instruction with a `check=` comment above it. */
interface Commented extends WrittenOptions {
  readonly instruction: Instruction
}

function commentOptions(instructions: readonly Instruction[]): readonly Commented[] {
  return instructions.flatMap((instruction) => {
    const comment = instruction.comments?.find((line) => /^check\s*=/i.test(line))
    if (comment === undefined) return []
    const value = comment.slice(comment.indexOf('=') + 1)
    const options = parseCheckOptions(checkText(value))
    // Comments have no place of their own in the tree.
    return [{ instruction, options, value, span: instruction.keyword.span, isComment: true }]
  })
}

/** `above` is in the order of the file, and its instructions do not overlap. */
function optionsAt(span: Span | undefined, above: readonly Commented[]): readonly CheckOptions[] {
  if (span === undefined || above.length === 0) return []
  let low = 0
  let high = above.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((above[middle]?.instruction.span.start ?? 0) <= span.start) low = middle
    else high = middle - 1
  }
  const last = above[low]
  if (last === undefined) return []
  const { file, start, end } = last.instruction.span
  return file === span.file && start <= span.start && span.start < end ? [last.options] : []
}

/** Differs: ConsistentInstructionCasing and NoEmptyContinuation, too, are turned off where they speak; in BuildKit only for the whole file. */
function isOn(rule: Rule, options: readonly CheckOptions[]): boolean {
  const names = (list: 'all' | readonly string[]): boolean => list === 'all' || list.includes(rule.name)
  if (rule.isExperimental) return options.some((o) => names(o.experimental))
  return !options.some((o) => names(o.skip))
}

/** One finding is one rule at one place, however many stages, triggers or rounds of planning led there. */
function placeOf({ code, message, span }: Diagnostic): string {
  return `${code} ${message} ${span?.file}:${span?.start}`
}

/**
 * Without the advice to write JSON where something nearly is: why it is none says more. With `error=true` both stay, so
 * that the rule that fails the build is seen.
 */
function withoutRepeated(found: Iterable<Diagnostic>): readonly Diagnostic[] {
  const all = [...found]
  const nearly = new Set(
    all.flatMap(({ code, span }) => (code === jsonFormIgnored.name ? [span?.start] : [])),
  )
  return nearly.size === 0
    ? all
    : all.filter(({ code, span }) => code !== jsonArgsRecommended.name || !nearly.has(span?.start))
}

/** By place in the Dockerfile; what stands elsewhere or nowhere last. */
function inOrder(diagnostics: Iterable<Diagnostic>, file: string): Diagnostic[] {
  const place = ({ span }: Diagnostic): number => (span?.file === file ? span.start : Number.MAX_SAFE_INTEGER)
  return [...diagnostics].sort((a, b) => place(a) - place(b))
}

function violation(names: readonly string[], span: Span | undefined): Diagnostic {
  return {
    code: 'LintViolation',
    severity: 'error',
    message: `lint violation found for rules: ${names.join(', ')}`,
    ...(span === undefined ? {} : { span }),
    hint: 'error=true makes warnings fail the build; skip=<Rule> turns a rule off',
  }
}
