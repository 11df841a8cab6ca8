// What else is wrong in a file that cannot be built, names of images that nobody has among it.
import type { Diagnostic, Outcome } from '../core/diagnostic.ts'
import type { Dockerfile } from '../dockerfile/ast.ts'
import { furtherFindings } from '../plan/further-findings.ts'
import { resolveAll } from '../plan/plan-with-pins.ts'
import type { Pin, PinRequest, Pins, PlanOptions } from '../plan/types.ts'
import { unresolved } from './pins.ts'

/**
 * All that planning finds in the file. Of its images only those are asked for that have nearly the name of a stage: a
 * registry is not kept busy, nor waited for, by a file that is wrong.
 */
export async function otherMistakes(
  parsed: Outcome<Dockerfile>,
  options: PlanOptions,
  { pins, resolve }: { readonly pins: Pins; resolve(request: PinRequest): Promise<Pin> },
): Promise<readonly Diagnostic[]> {
  const { diagnostics, doubtful } = furtherFindings(parsed, options, pins)
  try {
    await resolveAll(doubtful, resolve)
    return diagnostics
  } catch (thrown) {
    // What else is in the way of asking is told when it is in the way of the build.
    return [...diagnostics, ...(unresolved(thrown) ?? [])]
  }
}
