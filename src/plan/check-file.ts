// All build checks of one file without building anything: what `--check` reports.
import { type Diagnostic, hasErrors, type Outcome } from '../core/diagnostic.ts'
import type { Dockerfile } from '../dockerfile/ast.ts'
import { obeyChecks } from '../dockerfile/lint/obey.ts'
import { ruleNamed } from '../dockerfile/lint/registry.ts'
import type { Rule } from '../dockerfile/lint/rule.ts'
import { toStages } from '../dockerfile/stages.ts'
import { type FurtherFindings, furtherFindings } from './further-findings.ts'
import { keyOfRequest } from './pin-key.ts'
import { planWithPins, resolveAll } from './plan-with-pins.ts'
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
  const evaluate = (pins: Pins): CheckReport & Pick<FurtherFindings, 'doubtful'> => {
    // A mistake early in a build, or an image that nobody has, must not hide what is to be said of the rest.
    const { diagnostics, doubtful } = furtherFindings(parsed, everyStage, pins)
    return { ...reportOf(obeyChecks([...parsed.diagnostics, ...diagnostics], settings)), doubtful }
  }
  const { value: stages } = toStages(file)
  const known: Record<string, Pin> = {}
  const remember = async (request: PinRequest): Promise<Pin> => {
    const pin = await resolve(request)
    known[keyOfRequest(request)] = pin
    return pin
  }
  try {
    const isReadable = !hasErrors(parsed.diagnostics)
    const report = evaluate(isReadable ? (await planWithPins(stages, everyStage, remember)).value.pins : {})
    await resolveAll(report.doubtful, resolve)
    return report
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
