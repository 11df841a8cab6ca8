// What else is to be said of a file that cannot be built: found by planning what could be read of it, so that every
// mistake is told of at once and none only after another one is mended.
import type { Diagnostic, Outcome } from '../core/diagnostic.ts'
import type { Dockerfile } from '../dockerfile/ast.ts'
import { lint } from '../dockerfile/lint/lint.ts'
import { toStages } from '../dockerfile/stages.ts'
import { withoutConsequences } from './consequences.ts'
import { plan } from './plan.ts'
import type { ImageRequest, Pins, PlanOptions } from './types.ts'

export interface FurtherFindings {
  /** Errors and warnings of the tree and of its plan, images without a pin supposed to exist; none that may only follow from what is wrong already. */
  readonly diagnostics: readonly Diagnostic[]
  /** Images that are stood in for and have nearly the name of a stage: probably nobody has them. */
  readonly doubtful: readonly ImageRequest[]
}

/** What is to be said of a file beside the `diagnostics` of reading it. */
export function furtherFindings(
  { value: file, diagnostics }: Outcome<Dockerfile>,
  options: PlanOptions,
  pins: Pins = {},
): FurtherFindings {
  const { value: stages } = toStages(file)
  if (stages.stages.length === 0) return { diagnostics: [], doubtful: [] }
  const doubtful: ImageRequest[] = []
  const { diagnostics: planned } = plan(stages, { ...options, standIns: true }, pins, {
    standIn: (request) => {
      if (request.meant !== undefined) doubtful.push(request)
    },
  })
  const found = [...lint({ file, stages }), ...planned]
  return {
    diagnostics: withoutConsequences(found, diagnostics, { file, files: options.files }),
    doubtful: withoutTold(doubtful, diagnostics),
  }
}

/** Those of the requests that no mistake was found in. */
function withoutTold(requests: readonly ImageRequest[], mistakes: readonly Diagnostic[]): ImageRequest[] {
  const starts = new Set(mistakes.map(({ span }) => span?.start))
  return requests.filter(({ span }) => !starts.has(span.start))
}
