// Comparing bytes with what a descriptor promised, while they flow. Used by everything that reads or writes a blob.
import { createHash } from 'node:crypto'
import { type Digest, digestOfHex } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'

/** What the bytes should be; whatever is absent is not compared. */
export interface Expected {
  readonly digest?: Digest
  /** Bytes. */
  readonly size?: number
}

export interface Verifier {
  /** Bytes seen so far. */
  readonly received: number
  /** Counts and hashes a chunk; throws ERR_DIGEST_MISMATCH as soon as there are more bytes than expected. */
  update(chunk: Uint8Array): void
  /** The digest of everything seen; throws ERR_DIGEST_MISMATCH when it or the size is not the expected one. */
  finish(): Digest
}

/** A running comparison; `act` opens the message of a failure (`read blob`, `fetch layer x/y`). */
export function verifier(act: string, expected: Expected): Verifier {
  const hash = createHash('sha256')
  let received = 0
  return {
    get received() {
      return received
    },
    update(chunk) {
      received += chunk.byteLength
      if (expected.size !== undefined && received > expected.size) throw wrongSize(act, expected, received)
      hash.update(chunk)
    },
    finish() {
      if (expected.size !== undefined && received !== expected.size) throw wrongSize(act, expected, received)
      const found = digestOfHex(hash.digest('hex'))
      if (expected.digest !== undefined && found !== expected.digest)
        throw mismatch(act, expected.digest, found)
      return found
    },
  }
}

/** The failure of bytes that are not what their digest says. */
export function mismatch(act: string, expected: Digest, found: Digest): SlipwayError {
  return new SlipwayError({
    code: 'ERR_DIGEST_MISMATCH',
    message: `${act}: the content has digest ${found}, expected ${expected}`,
    data: { expected, found },
  })
}

function wrongSize(act: string, expected: Expected, received: number): SlipwayError {
  const size = expected.size ?? 0
  const name = expected.digest === undefined ? '' : ` of ${expected.digest}`
  const found = received > size ? `more than the expected ${size}` : `${received}, expected ${size}`
  return new SlipwayError({
    code: 'ERR_DIGEST_MISMATCH',
    message: `${act}: the content${name} has ${found} bytes`,
    data: { expectedSize: size, foundSize: received, ...(expected.digest && { expected: expected.digest }) },
  })
}
