// A blob as a stream that survives broken connections: it goes on by Range where the last answer stopped.
import { Readable } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import { SlipwayError } from '../core/error.ts'
import { abortable } from '../store/abortable.ts'
import { verifier } from '../store/verifier.ts'
import { badAnswer, isTransient, networkFailure } from './failure.ts'
import { contentUrl } from './location.ts'
import type { Place } from './manifest.ts'
import { paced } from './paced.ts'
import { backoffMs, pause } from './retry.ts'
import type { Answer } from './transport.ts'
import type { RetryPolicy } from './types.ts'

/** Less than this is not worth a resumption. */
const minResumeBytes = 64 << 10

/** The verified content of `descriptor`. Retries start over whenever bytes have arrived since the last failure. */
export function readBlob(place: Place, descriptor: Descriptor, policy: RetryPolicy): Readable {
  const stop = new AbortController()
  const signal = place.signal === undefined ? stop.signal : AbortSignal.any([place.signal, stop.signal])
  const stream = Readable.from(content({ ...place, signal }, descriptor, policy), { objectMode: false })
  // A generator that waits for the network cannot be told to end otherwise, and is not closed before it has ended.
  const destroy = stream._destroy.bind(stream)
  stream._destroy = (error, done) => {
    stop.abort()
    destroy(error, done)
  }
  return abortable(stream, place.signal)
}

async function* content(place: Place, descriptor: Descriptor, policy: RetryPolicy): AsyncGenerator<Buffer> {
  const act = `fetch ${descriptor.digest} from ${place.name}`
  const check = verifier(act, descriptor)
  let failures = 0
  let wasResumed = false
  while (true) {
    const before = check.received
    const from = before >= minResumeBytes ? before : 0
    wasResumed ||= from > 0
    const answer = await request(place, act, descriptor, from)
    try {
      // A server that ignores Range starts at 0 again: what is already delivered is read over.
      let skip = before - answer.from
      for await (const chunk of paced(answer.body, act)) {
        const fresh = skip >= chunk.byteLength ? undefined : chunk.subarray(skip)
        skip = Math.max(0, skip - chunk.byteLength)
        if (fresh === undefined) continue
        check.update(fresh)
        yield fresh
      }
      if (check.received >= descriptor.size) break
      throw new SlipwayError({
        code: 'ERR_REGISTRY_INTERRUPTED',
        message: `${act}: the answer ended after ${check.received} of ${descriptor.size} bytes`,
        data: { transient: true },
      })
    } catch (thrown) {
      place.signal?.throwIfAborted()
      const failure = networkFailure(act, place.transport.home.host, thrown)
      if (!isTransient(failure)) throw failure
      failures = check.received > before ? 1 : failures + 1
      if (failures >= policy.tries) throw failure
      await pause(backoffMs(policy, failures), place.signal)
    }
  }
  try {
    check.finish()
  } catch (thrown) {
    // Parts of two different answers may have been put together: worth one clean try (see copyImage's retry).
    if (!wasResumed || !(thrown instanceof SlipwayError)) throw thrown
    throw new SlipwayError({
      code: thrown.code,
      message: thrown.message,
      data: { ...thrown.data, wasResumed: true },
    })
  }
}

async function request(
  place: Place,
  act: string,
  descriptor: Descriptor,
  from: number,
): Promise<Answer & { readonly from: number }> {
  const answer = await place.transport.send({
    act,
    method: 'GET',
    url: contentUrl(place.transport.home, place.path, descriptor),
    headers: { accept: `${descriptor.mediaType}, */*`, ...(from === 0 ? {} : { range: `bytes=${from}-` }) },
    scopes: place.scopes,
    wanted: from === 0 ? [200] : [200, 206, 416],
    ...(place.signal === undefined ? {} : { signal: place.signal }),
  })
  if (answer.status === 206 && startOf(answer, descriptor.size) === from) return { ...answer, from }
  if (answer.status === 200) return { ...answer, from: 0 }
  await answer.discard()
  if (from > 0) return await request(place, act, descriptor, 0)
  throw badAnswer(act, `unexpected answer ${answer.status}`)
}

/** Where a partial answer starts; undefined when its Content-Range does not describe the rest of the blob. */
function startOf(answer: Answer, size: number): number | undefined {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.header('content-range') ?? '')
  if (range === null) return undefined
  const [, start, end, total] = range
  if (Number(end) !== size - 1 || (total !== '*' && Number(total) !== size)) return undefined
  return Number(start)
}
