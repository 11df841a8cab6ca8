// The plan of an unchanged build without its parser: what a plan was made from names it, and the images that it stands on
// are looked up anew. What may hold a secret is not remembered.
import { keepPlan, type PlanPlace, readPlan } from '../cache/plans.ts'
import { digestOfJson } from '../core/canonical-json.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Digest } from '../core/digest.ts'
import { isSecretName } from '../core/secret-name.ts'
import type { OpNote } from '../graph/op.ts'
import { keyOfRequest } from '../plan/pin-key.ts'
import { resolveAll } from '../plan/plan-with-pins.ts'
import type { Pin, PinRequest, Pins, PlanOptions, Ready } from '../plan/types.ts'
import type { WriteHint } from '../store/hints.ts'

/** A plan and what is to be said of it: warnings only. */
export interface FoundPlan extends Ready {
  readonly diagnostics: readonly Diagnostic[]
}

/** What the plan with these options is remembered by in the state directory `root`; undefined for one that must be made each time. */
export function planPlace(
  root: string,
  program: string | undefined,
  options: PlanOptions,
): PlanPlace | undefined {
  const { buildArgs, mainContext, contexts } = options
  const isFetched = mainContext !== undefined || Object.values(contexts).some(({ kind }) => kind !== 'local')
  if (program === undefined || isFetched || Object.keys(buildArgs).some(isSecretName)) return undefined
  return { root, key: digestOfJson({ program, options }) }
}

/** What was remembered, as long as `resolve` answers what it answered then. */
export async function rememberedPlan(
  place: PlanPlace,
  { files }: Pick<PlanOptions, 'files'>,
  resolve: (request: PinRequest) => Promise<Pin>,
): Promise<FoundPlan | undefined> {
  const kept = readPlan(place) as Kept | undefined
  if (kept === undefined) return undefined
  // What a round asks for depends on nothing but what the key is made of and the answers to those before it (ONBUILD
  // names images, too): nothing is asked for that planning would not ask for. Where an image is gone, the plan fails for it.
  for (const { requests, pins } of kept.rounds) {
    const found = await resolveAll(requests, resolve).catch(() => undefined)
    if (found === undefined || digestOfJson(found) !== pins) return undefined
  }
  const { plan } = kept
  return { ...plan, graph: { ...plan.graph, files } }
}

/** Remembers a plan that was made by asking for `rounds`, unless it is one that must not be. */
export function rememberPlan(place: PlanPlace, { rounds, pins, plan }: MadePlan, writeHint: WriteHint): void {
  const { graph } = plan
  if (rounds.flat().some(({ kind }) => kind !== 'image') || Object.values(graph.notes).some(holdsCredentials))
    return
  const kept: Kept = {
    rounds: rounds.map((requests) => ({ requests, pins: digestOfAnswers(requests, pins) })),
    // The text of the files is what the plan is found by.
    plan: { ...plan, graph: { ...graph, files: [] } },
  }
  keepPlan(place, kept, { writeHint })
}

/** A plan and what was asked for to make it, with all the answers. */
export interface MadePlan {
  /** What was asked at a time, in order. */
  readonly rounds: readonly (readonly PinRequest[])[]
  readonly pins: Pins
  readonly plan: FoundPlan
}

function digestOfAnswers(requests: readonly PinRequest[], pins: Pins): Digest {
  const keys = requests.map(keyOfRequest)
  return digestOfJson(Object.fromEntries(keys.map((key) => [key, pins[key]])))
}

interface Kept {
  readonly rounds: readonly {
    readonly requests: readonly PinRequest[]
    /** The digest of the answers. */
    readonly pins: Digest
  }[]
  readonly plan: FoundPlan
}

/** Addresses and proxies may name a user and a password. */
function holdsCredentials({ remote, unkeyed }: OpNote): boolean {
  return remote !== undefined || unkeyed?.env !== undefined
}
