// Content identifiers. Everything else in the project receives a `Digest` that was made here, so a
// digest that reaches a path or a URL has always been validated.
import { hash } from 'node:crypto'
import { SlipwayError } from './error.ts'

/** A validated `sha256:<64 lower-case hex>` identifier (OCI image-spec, descriptor.md "Digests"). */
export type Digest = string & { readonly __digest: unique symbol }

const pattern = /^sha256:[0-9a-f]{64}$/

/** Whether `text` is a digest slipway can verify. Other algorithms are legal OCI but are refused by `parseDigest`. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && pattern.test(text)
}

/** The digest written as `text`; throws ERR_DIGEST_INVALID for anything but lower-case sha256. */
export function parseDigest(text: unknown): Digest {
  if (isDigest(text)) return text
  throw new SlipwayError({
    code: 'ERR_DIGEST_INVALID',
    message: `invalid digest ${JSON.stringify(String(text).slice(0, 200))}`,
    hint: 'slipway accepts sha256 digests of the form sha256:<64 hex digits>',
  })
}

/** The digest of these bytes (strings are hashed as UTF-8). */
export function digestOf(bytes: string | Uint8Array): Digest {
  return `sha256:${hash('sha256', bytes)}` as Digest
}

/** The digest whose raw sha256 is `hex`; the caller has just computed it. */
export function digestOfHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`)
}

/** The 64 hex digits behind the algorithm, safe as a file name. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length)
}
