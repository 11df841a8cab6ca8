// Requests to stores of objects: tried again where that may help, their answers bounded and verified.
import { Readable } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import { SlipwayError } from '../core/error.ts'
import { connectionFailure } from '../registry/connection-failure.ts'
import type { Exchange, Method, RawAnswer } from '../registry/exchange.ts'
import { isTransient } from '../registry/failure.ts'
import { paced } from '../registry/paced.ts'
import { backoffMs, pause } from '../registry/retry.ts'
import { withRetries } from '../registry/transport.ts'
import { abortable } from '../store/abortable.ts'
import { verifier } from '../store/verifier.ts'

export interface ObjectRequest {
  /** Opens the message of a failure: `write s3 bucket/key`. */
  readonly act: string
  readonly method: Method
  readonly url: URL
  /** Made anew for every try: signatures hold for minutes. */
  headers(): Readonly<Record<string, string>>
  /** Likewise, as a stream can be sent once only. */
  body?(): Promise<Readable> | Uint8Array
  /** Statuses that are given back. */
  readonly wanted: readonly number[]
  readonly signal: AbortSignal
}

const retry = { tries: 5, baseMs: 500 }
/** Stores move an object to its place before they answer. */
const commitMs = 300_000

/** The answer, with a status that is wanted; its body must be read or discarded. */
export async function ask(exchange: Exchange, request: ObjectRequest): Promise<RawAnswer> {
  const { act, method, url, wanted, signal } = request
  const once = async (): Promise<RawAnswer> => {
    const body = await request.body?.()
    const extra = body === undefined ? {} : { body, headersMs: commitMs }
    return exchange.send({ method, url, headers: request.headers(), signal, ...extra })
  }
  try {
    return await withRetries({ act, method, url, wanted, signal }, { retry }, once)
  } catch (thrown) {
    signal.throwIfAborted()
    throw withoutHint(thrown)
  }
}

/** No registry has failed: its hints would lead astray. */
function withoutHint(thrown: unknown): unknown {
  if (!(thrown instanceof SlipwayError)) return thrown
  const { code, message, data } = thrown
  const renamed = code.replace('ERR_REGISTRY_', 'ERR_CACHE_')
  return new SlipwayError({ code: renamed, message, ...(data === undefined ? {} : { data }), cause: thrown })
}

/** All of an answer that is expected to be small. Throws ERR_CACHE_INVALID. */
export async function readText(act: string, answer: RawAnswer, limitBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of paced(answer.body, act)) {
      bytes += chunk.byteLength
      if (bytes > limitBytes) {
        await answer.discard()
        throw new SlipwayError({
          code: 'ERR_CACHE_INVALID',
          message: `${act}: more than ${limitBytes} bytes`,
        })
      }
      chunks.push(chunk)
    }
  } catch (thrown) {
    throw broken(act, thrown)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The failure of a connection that broke while an answer was read; what is none unchanged. */
function broken(act: string, thrown: unknown): unknown {
  const failure = thrown instanceof SlipwayError ? undefined : connectionFailure('the server', thrown)
  if (failure === undefined) return thrown
  const { kind, reason, error } = failure
  return new SlipwayError({
    code: `ERR_CACHE_${kind}`,
    message: `${act}: ${reason}`,
    data: { error },
    cause: thrown,
  })
}

/** The verified bytes of a layer; `request` begins where it is told, as far as its server can. */
export function readLayer(
  act: string,
  layer: Descriptor,
  request: (from: number) => Promise<RawAnswer>,
  signal: AbortSignal,
): Readable {
  async function* content(): AsyncGenerator<Buffer> {
    const check = verifier(act, layer)
    for (let failures = 0; check.received < layer.size || layer.size === 0; ) {
      const before = check.received
      const answer = await request(before)
      // A server that knows no ranges begins again: what was delivered is read over.
      let skip = answer.status === 206 ? 0 : before
      try {
        for await (const chunk of paced(answer.body, act)) {
          const fresh = skip >= chunk.byteLength ? undefined : chunk.subarray(skip)
          skip = Math.max(0, skip - chunk.byteLength)
          if (fresh === undefined) continue
          check.update(fresh)
          yield fresh
        }
        break
      } catch (thrown) {
        signal.throwIfAborted()
        failures = check.received > before ? 1 : failures + 1
        const isFinal = thrown instanceof SlipwayError && !isTransient(thrown)
        if (isFinal || failures >= retry.tries) throw broken(act, thrown)
        await pause(backoffMs(retry, failures), signal)
      } finally {
        answer.body.on('error', () => undefined).destroy()
      }
    }
    check.finish()
  }
  return abortable(Readable.from(content(), { objectMode: false }), signal)
}
