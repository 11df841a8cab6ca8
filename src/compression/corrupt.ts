// The words for compressed data that is damaged, cut off or hostile.
import { SlipwayError } from '../core/error.ts'
import type { Compression } from './format.ts'

/** The failure of reading `what`, said to be `compression`. */
export function corrupt(
  what: string,
  compression: Compression,
  reason: string,
  cause?: unknown,
): SlipwayError {
  return new SlipwayError({
    code: 'ERR_DECOMPRESS_CORRUPT',
    message: `decompress ${what}: ${compression}: ${reason}`,
    cause,
  })
}
