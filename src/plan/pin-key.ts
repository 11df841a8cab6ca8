// The name of a pin: what it was asked by.
import { digestOf } from '../core/digest.ts'
import { formatPlatform, type Platform } from '../core/platform.ts'
import type { PinRequest } from './types.ts'

/** The key of the pin that answers a request. */
export function keyOfRequest(request: PinRequest): string {
  switch (request.kind) {
    case 'image':
      return pinKey(request.reference, request.platform)
    case 'http':
      // A URL may hold a secret, which a key must not.
      return `http ${digestOf(request.url)}`
    case 'git':
      return `git ${digestOf(request.remote)} ${request.ref ?? ''}`.trimEnd()
  }
}

/** The key of an image's pin in `Pins`: `docker.io/library/debian:12 linux/amd64`. */
export function pinKey(reference: string, platform: Platform): string {
  return `${reference} ${formatPlatform(platform)}`
}
