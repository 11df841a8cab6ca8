// Files of the web in the content store: each URL is asked once a build, and what has not changed is not sent again.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Context } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { redact, SlipwayError } from '../core/error.ts'
import type { StepId } from '../core/event.ts'
import type { Exchange, RawAnswer } from '../registry/exchange.ts'
import { paced } from '../registry/paced.ts'
import { backoffMs, pause } from '../registry/retry.ts'
import type { RetryPolicy } from '../registry/types.ts'
import type { WriteHint } from '../store/hints.ts'
import type { ContentStore } from '../store/types.ts'
import { askUrl } from './http-ask.ts'
import { checksumFailure, isTransientFailure, networkFailure, statusFailure } from './http-failure.ts'
import { filenameOf, secondsOf, tagOf } from './http-headers.ts'
import { type HttpRecord, openHttpRecords } from './http-records.ts'
import type { ReadSecret } from './secret.ts'

/** A file of the web whose content is in the store. */
export interface FetchedFile {
  readonly digest: Digest
  readonly size: number
  /** As its server calls it. */
  readonly filename?: string
  /** Seconds since 1970. */
  readonly modified?: number
}

export interface HttpFetcher {
  /** What the URL stands for now. Throws ERR_HTTP_*. */
  resolve(url: string, step: StepId, cx: Context): Promise<FetchedFile>
  /** The file of this content, asking nobody if it came from this URL before. Throws ERR_DIGEST_MISMATCH when something else is there. */
  fetch(
    file: { readonly url: string; readonly checksum: string },
    step: StepId,
    cx: Context,
  ): Promise<FetchedFile>
}

export interface HttpFetcherOptions {
  readonly exchange: Exchange
  readonly store: Pick<ContentStore, 'has' | 'put' | 'path'>
  /** Of the records. */
  readonly directory: string
  readonly writeHint: WriteHint
  readonly secret: ReadSecret
  /** A body that is longer is given up. */
  readonly maxBytes?: number
  readonly retry?: RetryPolicy
}

/** An answer without an end would fill the disk. */
const defaultMaxBytes = 16 * 2 ** 30
const mediaType = 'application/octet-stream'
/** Within it a file may change without its Last-Modified doing so (RFC 9110 §8.8.2.2). */
const doubtSeconds = 60

export function openHttpFetcher(options: HttpFetcherOptions): HttpFetcher {
  const { store, retry = { tries: 4, baseMs: 500 } } = options
  const records = openHttpRecords(options.directory, options.writeHint)
  const flights = new Map<string, Promise<FetchedFile>>()

  const usable = async (url: string): Promise<HttpRecord | undefined> => {
    const record = await records.read(url)
    return record !== undefined && (await store.has({ mediaType, ...record })) ? record : undefined
  }

  const once = async (url: string, step: StepId, cx: Context): Promise<FetchedFile> => {
    const act = `fetch ${redact(url)}`
    const known = await usable(url)
    const asked = { act, url, headers: known === undefined ? {} : conditions(known), signal: cx.signal }
    const answer = await askUrl(asked, options)
    try {
      if (known !== undefined && isUnchanged(answer, known)) return fileOf(known)
      if (answer.status < 200 || answer.status > 299 || answer.status === 206) {
        throw statusFailure(act, answer.status)
      }
      const record = await receive(act, answer, { step, cx })
      await records.write(url, record)
      return fileOf(record)
    } finally {
      answer.body.on('error', () => undefined).destroy()
    }
  }

  const receive = async (
    act: string,
    answer: RawAnswer,
    { step, cx }: { readonly step: StepId; readonly cx: Context },
  ): Promise<HttpRecord> => {
    const isGzip = answer.header('content-encoding')?.toLowerCase() === 'gzip'
    const length = Number(answer.header('content-length') ?? Number.NaN)
    const total = isGzip || !Number.isSafeInteger(length) ? undefined : length
    const limit = options.maxBytes ?? defaultMaxBytes
    if (total !== undefined && total > limit) throw tooLarge(act, limit)
    const meter = async function* (): AsyncGenerator<Buffer, void, undefined> {
      let current = 0
      const plain = isGzip ? gunzip(paced(answer.body, act)) : paced(answer.body, act)
      for await (const chunk of plain) {
        current += chunk.byteLength
        if (current > limit) throw tooLarge(act, limit)
        cx.emit({
          type: 'progress',
          step,
          what: redact(act.slice('fetch '.length)),
          current,
          ...(total === undefined ? {} : { total }),
          unit: 'bytes',
        })
        yield chunk
      }
    }
    const body = Readable.from(meter(), { objectMode: false, highWaterMark: 1 << 20 })
    const stored = await store.put({ mediaType }, body, { signal: cx.signal })
    const texts = {
      etag: answer.header('etag'),
      lastModified: answer.header('last-modified'),
      date: answer.header('date'),
      disposition: answer.header('content-disposition'),
    }
    const said = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined))
    return { version: 1, digest: stored.digest, size: stored.size, ...said }
  }

  const withRetries = async (url: string, step: StepId, cx: Context): Promise<FetchedFile> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(url, step, cx)
      } catch (thrown) {
        cx.signal.throwIfAborted()
        const failure = named(`fetch ${redact(url)}`, thrown)
        if (attempt >= retry.tries || !isTransientFailure(failure)) throw failure
        await pause(backoffMs(retry, attempt), cx.signal)
      }
    }
  }

  const resolve: HttpFetcher['resolve'] = (url, step, cx) => {
    const flight = flights.get(url) ?? withRetries(url, step, cx)
    flights.set(url, flight)
    flight.catch(() => flights.delete(url))
    return flight
  }

  return {
    resolve,
    async fetch({ url, checksum }, step, cx) {
      const known = await usable(url)
      if (known?.digest === checksum) return fileOf(known)
      const found = await resolve(url, step, cx)
      const algorithm = checksum.slice(0, checksum.indexOf(':'))
      const actual =
        algorithm === 'sha256' ? found.digest : await hashFile(store.path(found.digest), algorithm)
      if (actual !== checksum) throw checksumFailure(`fetch ${redact(url)}`, actual, checksum)
      return found
    },
  }
}

/** The failure in the words of the web: what the registry's client is shared for speaks of registries. */
function named(act: string, thrown: unknown): unknown {
  if (thrown instanceof SlipwayError && thrown.code === 'ERR_REGISTRY_TIMEOUT') {
    const message = thrown.message.replace('the registry sends', 'the server sends')
    return new SlipwayError({ code: 'ERR_HTTP_TIMEOUT', message, cause: thrown })
  }
  return networkFailure(act, thrown)
}

function conditions({ etag, lastModified, date }: HttpRecord): Record<string, string> {
  if (etag !== undefined) return { 'if-none-match': etag }
  const modified = secondsOf(lastModified)
  const answered = secondsOf(date)
  if (lastModified === undefined || modified === undefined || answered === undefined) return {}
  return answered - modified < doubtSeconds ? {} : { 'if-modified-since': lastModified }
}

/** Some servers send a file with the tag that they were told not to send again. */
function isUnchanged(answer: RawAnswer, known: HttpRecord): boolean {
  if (answer.status === 304) return true
  const tag = tagOf(answer.header('etag'))
  return answer.status === 200 && tag !== undefined && tag === tagOf(known.etag)
}

function fileOf({ digest, size, disposition, lastModified }: HttpRecord): FetchedFile {
  const filename = filenameOf(disposition)
  const modified = secondsOf(lastModified)
  return {
    digest,
    size,
    ...(filename === undefined ? {} : { filename }),
    ...(modified === undefined ? {} : { modified }),
  }
}

/** As Go's client does for BuildKit. */
async function* gunzip(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const source = Readable.from(body, { objectMode: false })
  const plain = createGunzip()
  source.on('error', (thrown) => plain.destroy(thrown))
  yield* source.pipe(plain) as AsyncIterable<Buffer>
}

async function hashFile(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return `${algorithm}:${hash.digest('hex')}`
}

function tooLarge(act: string, limit: number): SlipwayError {
  const shown = limit >= 2 ** 30 ? `${limit / 2 ** 30} GiB` : `${limit} bytes`
  return new SlipwayError({ code: 'ERR_HTTP_TOO_LARGE', message: `${act}: it is larger than ${shown}` })
}
