// The pins of what instructions fetch. It shows only while they are lowered, so what is missing is stood in for: the
// whole file is read, and everything it needs is asked for together.
import { digestOf, hexOf } from '../core/digest.ts'
import { keyOfRequest } from './pin-key.ts'
import type { GitPin, GitRequest, HttpPin, HttpRequest, Pin, PinRequest, Pins } from './types.ts'

type PinOf<R extends RemoteRequest> = Extract<Pin, { kind: R['kind'] }>
export type RemoteRequest = HttpRequest | GitRequest

export interface RemotePins {
  /** The pin of a request; a made-up one while there is none. */
  pinOf<R extends RemoteRequest>(request: R): PinOf<R>
  /** What was asked for in vain. */
  missing(): readonly PinRequest[]
}

/** Answers requests from `pins`. */
export function remotePins(pins: Pins): RemotePins {
  const missing = new Map<string, PinRequest>()
  return {
    pinOf(request) {
      const key = keyOfRequest(request)
      const pin = pins[key]
      if (isAnswer(pin, request)) return pin
      if (!missing.has(key)) missing.set(key, request)
      return standInPin(request)
    },
    missing: () => [...missing.values()],
  }
}

function isAnswer<R extends RemoteRequest>(pin: Pin | undefined, request: R): pin is PinOf<R> {
  return pin?.kind === request.kind
}

/** A pin that says nothing of what is there: for looking at a plan that nobody executes. Of different requests they differ. */
export function standInPin<R extends RemoteRequest>(request: R): PinOf<R> {
  const digest = digestOf(keyOfRequest(request))
  const standIn: { readonly [K in RemoteRequest['kind']]: Extract<Pin, { kind: K }> } = {
    http: { kind: 'http', digest } satisfies HttpPin,
    git: { kind: 'git', commit: hexOf(digest).slice(0, 40), isStandIn: true } satisfies GitPin,
  }
  return standIn[request.kind] as PinOf<R>
}
