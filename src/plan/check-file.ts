// All build checks of one file without building anything: what `--check` reports.
import { type Diagnostic, hasErrors, type Outcome } from '../core/diagnostic.ts'
import type { Dockerfile } from '../dockerfile/ast.ts'
import { lint } from '../dockerfile/lint/lint.ts'
import { obeyChecks } from '../dockerfile/lint/obey.ts'
import { ruleNamed } from '../dockerfile/lint/registry.ts'
import type { Rule } from '../dockerfile/lint/rule.ts'
import { toStages } from '../dockerfile/stages.ts'
import { furtherMistakes } from './further-mistakes.ts'
import { keyOfRequest } from './pin-key.ts'
import { plan } from './plan.ts'
import { planWithPins } from './plan-with-pins.ts'
import type { Pin, PinRequest, Pins, PlanOptions } from './types.ts'

/** One rule violated at one place. */
export interface CheckFinding {
  readonly rule: Rule
  readonly diagnostic: Diagnostic
}

export interface CheckReport {
  /** In the order of the file, each place once, as far as `# check=` lets them through. */
  readonly findings: readonly CheckFinding[]
  /** What no rule turns off: mistakes, and last `LintViolation` where `error=true` met a finding. */
  readonly mistakes: readonly Diagnostic[]
  /** What `resolve` threw first. Nothing is then found that depends on what an image that cannot be had may set. */
  readonly failure?: unknown
}

/**
 * Checks a parsed file. Without `options.target` every stage is evaluated, with one what the target needs; `resolve`
 * is asked for the images of all of them, because their variables and SHELL decide what is a finding.
 */
export async function checkFile(
  parsed: Outcome<Dockerfile>,
  options: PlanOptions,
  resolve: (request: PinRequest) => Promise<Pin>,
): Promise<CheckReport> {
  const file = parsed.value
  const settings = { file, buildArgs: options.buildArgs }
  const everyStage: PlanOptions = options.target === undefined ? { ...options, everyStage: true } : options
  if (hasErrors(parsed.diagnostics)) {
    return reportOf(obeyChecks([...parsed.diagnostics, ...furtherMistakes(parsed, everyStage)], settings))
  }
  const { value: stages, diagnostics } = toStages(file)
  const found = [...parsed.diagnostics, ...diagnostics, ...lint({ file, stages })]
  const evaluate = (pins: Pins): CheckReport => {
    // A mistake early in a build, or an image that nobody has, must not hide what is to be said of the rest.
    const { diagnostics: planned } = plan(stages, { ...everyStage, standIns: true }, pins)
    return reportOf(obeyChecks([...found, ...planned], settings))
  }
  const known: Record<string, Pin> = {}
  const remember = async (request: PinRequest): Promise<Pin> => {
    const pin = await resolve(request)
    known[keyOfRequest(request)] = pin
    return pin
  }
  try {
    return evaluate((await planWithPins(stages, everyStage, remember)).value.pins)
  } catch (failure) {
    return { ...evaluate(known), failure }
  }
}

function reportOf(shown: readonly Diagnostic[]): CheckReport {
  const findings: CheckFinding[] = []
  const mistakes: Diagnostic[] = []
  for (const diagnostic of shown) {
    const rule = diagnostic.severity === 'warning' ? ruleNamed(diagnostic.code) : undefined
    if (rule === undefined) mistakes.push(diagnostic)
    else findings.push({ rule, diagnostic })
  }
  return { findings, mistakes }
}
