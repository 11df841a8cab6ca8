// The identities the solver looks records up by. Both kinds are digests of whole JSON values, so equal
// ids mean equal pre-images; the format has a version, a new one is a cache miss.
import { digestOfJson } from '../core/canonical-json.ts'
import type { Digest } from '../core/digest.ts'
import { keyed } from '../graph/keyed.ts'
import type { Op } from '../graph/op.ts'
import type { CacheKey, OpBody } from './types.ts'

/** What of the op counts, without its inputs: what it does, not what it does it to. */
function bodyOf(op: Op): OpBody {
  const { inputs: _inputs, ...body } = keyed(op)
  return body
}

/** k1: how a result is defined, all the way down; known before anything runs. `inputs` are definition ids or contents of local files. */
export function definitionId(op: Op, inputs: readonly Digest[]): Digest {
  return digestOfJson({ definition: 1, op: bodyOf(op), inputs })
}

/** k2: what an op really read. `inputs` are result ids, or content digests where content decides. */
export function cacheKey(op: Op, inputs: readonly Digest[]): CacheKey {
  return { version: 1, op: bodyOf(op), inputs }
}

/** The id a record with this key is stored under. */
export function keyId(key: CacheKey): Digest {
  return digestOfJson(key)
}

/** The id of a forced result: nothing that was built on an earlier result of the same key may hit. */
export function forcedId(key: CacheKey, nonce: string): Digest {
  return digestOfJson({ forced: keyId(key), nonce })
}
