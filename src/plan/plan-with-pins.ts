// Plans and pins in turns until nothing is missing; the pins come from the caller.
import type { Outcome } from '../core/diagnostic.ts'
import { invariant } from '../core/error.ts'
import type { Stages } from '../dockerfile/ast.ts'
import { keyOfRequest } from './pin-key.ts'
import { plan } from './plan.ts'
import type { Pin, PinRequest, Pins, PlanOptions, Ready } from './types.ts'

/** A whole plan and the pins it stands on. */
export interface Pinned extends Ready {
  readonly pins: Pins
}

/** A plan with everything resolved, all that is missing at a time in parallel: first images, then (their variables are known) what ADD names. Rejects with what `resolve` throws, an AggregateError where it throws more than once. */
export async function planWithPins(
  stages: Stages,
  options: PlanOptions,
  resolve: (request: PinRequest) => Promise<Pin>,
  known: Pins = {},
): Promise<Outcome<Pinned>> {
  let pins = known
  for (;;) {
    const { value, diagnostics }: Outcome<ReturnType<typeof plan>['value']> = plan(stages, options, pins)
    if (value.kind === 'ready') return { value: { ...value, pins }, diagnostics }
    for (const request of value.pins) {
      const key = keyOfRequest(request)
      invariant(pins[key] === undefined, `the plan asked twice for ${key}`)
    }
    pins = { ...pins, ...(await resolveAll(value.pins, resolve)) }
  }
}

/** The pins of the requests, all asked for at a time. Rejects as `planWithPins` does, when every one has been answered. */
export async function resolveAll(
  requests: readonly PinRequest[],
  resolve: (request: PinRequest) => Promise<Pin>,
): Promise<Pins> {
  const settled = await Promise.allSettled(
    requests.map(async (request) => [keyOfRequest(request), await resolve(request)] as const),
  )
  const failures = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures)
  return Object.fromEntries(settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])))
}
