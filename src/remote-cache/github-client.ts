// The two protocols of GitHub's Actions cache: an entry is found by its key, made once, sent in chunks, and committed.
import { createHash } from 'node:crypto'
import { SlipwayError } from '../core/error.ts'
import type { Exchange, Method, RawAnswer } from '../registry/exchange.ts'
import { ask, readText } from './object-requests.ts'

export interface GithubAccess {
  readonly url: string
  readonly token: string
}

/** An entry of the cache; its address is signed and holds for a while. */
export interface Entry {
  readonly key: string
  readonly url: URL
}

export interface GithubClient {
  /** The newest entry whose key begins with `key`. */
  find(key: string, signal: AbortSignal): Promise<Entry | undefined>
  /** Whether it was written: a key that exists, or that somebody is writing, is left alone. */
  write(
    key: string,
    size: number,
    open: () => Promise<AsyncIterable<Buffer>>,
    signal: AbortSignal,
  ): Promise<boolean>
}

const maxAnswerBytes = 64 << 10
/** As many bytes as one request takes. A chunk that does not get through is sent again, not those before it. */
const chunkBytes = 32 << 20
/** What BuildKit calls its entries; others' are not mixed up with them. */
const version = createHash('sha256').update('|go-actionscache-1.0').digest('hex')

/** The protocol of ACTIONS_CACHE_URL. */
export function clientV1(access: GithubAccess, exchange: Exchange): GithubClient {
  const address = (path: string): URL =>
    new URL(`${access.url.replace(/\/+$/, '')}/_apis/artifactcache/${path}`)
  const accept = 'application/json;api-version=6.0-preview.1'
  const send = sender(access, exchange, accept)
  return {
    async find(key, signal) {
      const url = address('cache')
      url.searchParams.set('keys', key)
      url.searchParams.set('version', version)
      const answer = await send('GET', url, { wanted: [200, 204, 404], signal })
      if (answer.status !== 200) {
        await answer.discard()
        return undefined
      }
      const { cacheKey, archiveLocation } = await jsonOf(answer)
      return entryOf(cacheKey, archiveLocation)
    },
    async write(key, size, open, signal) {
      const made = await send('POST', address('caches'), {
        json: { key, version },
        wanted: [200, 201, 409],
        signal,
      })
      if (made.status === 409) {
        await made.discard()
        return false
      }
      const { cacheId = undefined, cacheID = cacheId } = await jsonOf(made)
      if (typeof cacheID !== 'number') throw badAnswer('it made no entry')
      for await (const { bytes, from } of chunksOf(await open())) {
        const headers = {
          'content-type': 'application/octet-stream',
          'content-range': `bytes ${from}-${from + bytes.byteLength - 1}/*`,
        }
        const sent = { bytes, headers, wanted: [200, 201, 204], signal }
        await (await send('PATCH', address(`caches/${cacheID}`), sent)).discard()
      }
      const done = { json: { size }, wanted: [200, 201, 204], signal }
      await (await send('POST', address(`caches/${cacheID}`), done)).discard()
      return true
    },
  }
}

/** The protocol of ACTIONS_RESULTS_URL; the bytes themselves go to an Azure blob. */
export function clientV2(access: GithubAccess, exchange: Exchange): GithubClient {
  const service = `${access.url.replace(/\/+$/, '')}/twirp/github.actions.results.api.v1.CacheService`
  const send = sender(access, exchange, 'application/json')
  const call = async (name: string, json: Json, signal: AbortSignal): Promise<Json | undefined> => {
    const answer = await send('POST', new URL(`${service}/${name}`), {
      json,
      wanted: [200, 404, 409],
      signal,
    })
    const value = await jsonOf(answer)
    return answer.status === 200 && value.ok === true ? value : undefined
  }
  /** Without the token, which is for the service. */
  const put = async (url: URL, bytes: Buffer, type: string, signal: AbortSignal): Promise<void> => {
    const headers = {
      'content-length': String(bytes.byteLength),
      'content-type': type,
      'x-ms-version': '2021-12-02',
    }
    const act = 'write github cache'
    const body = () => bytes
    await (
      await ask(exchange, { act, method: 'PUT', url, headers: () => headers, body, wanted: [201], signal })
    ).discard()
  }
  return {
    async find(key, signal) {
      const found = await call('GetCacheEntryDownloadURL', { key, restore_keys: [key], version }, signal)
      return found && entryOf(found.matched_key, found.signed_download_url)
    },
    async write(key, size, open, signal) {
      const made = await call('CreateCacheEntry', { key, version }, signal)
      if (made === undefined) return false
      const url = urlOf(made.signed_upload_url)
      const ids: string[] = []
      for await (const { bytes, from } of chunksOf(await open())) {
        const id = Buffer.from(String(from).padStart(20, '0')).toString('base64')
        ids.push(id)
        await put(withQuery(url, { comp: 'block', blockid: id }), bytes, 'application/octet-stream', signal)
      }
      const list = `<?xml version="1.0" encoding="utf-8"?><BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join('')}</BlockList>`
      await put(withQuery(url, { comp: 'blocklist' }), Buffer.from(list), 'application/xml', signal)
      const done = await call('FinalizeCacheEntryUpload', { key, size_bytes: String(size), version }, signal)
      if (done === undefined) throw badAnswer('it did not take the entry')
      return true
    },
  }
}

type Json = Readonly<Record<string, unknown>>

interface Sent {
  readonly json?: Json
  readonly bytes?: Buffer
  readonly headers?: Readonly<Record<string, string>>
  readonly wanted: readonly number[]
  readonly signal: AbortSignal
}

function sender({ token }: GithubAccess, exchange: Exchange, accept: string) {
  return (method: Method, url: URL, { json, bytes, headers, wanted, signal }: Sent): Promise<RawAnswer> => {
    const body = bytes ?? (json === undefined ? undefined : Buffer.from(JSON.stringify(json)))
    const all = {
      accept,
      authorization: `Bearer ${token}`,
      'user-agent': 'slipway',
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(body === undefined ? {} : { 'content-length': String(body.byteLength) }),
      ...headers,
    }
    return ask(exchange, {
      act: `ask github cache ${url.host}`,
      method,
      url,
      headers: () => all,
      ...(body === undefined ? {} : { body: () => body }),
      wanted,
      signal,
    })
  }
}

async function jsonOf(answer: RawAnswer): Promise<Json> {
  const text = await readText('ask github cache', answer, maxAnswerBytes)
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text)
    if (value !== null && typeof value === 'object') return value as Json
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown
  }
  throw badAnswer('its answer is no JSON object')
}

function entryOf(key: unknown, url: unknown): Entry | undefined {
  return typeof key === 'string' && key !== '' ? { key, url: urlOf(url) } : undefined
}

function urlOf(text: unknown): URL {
  if (typeof text === 'string' && URL.canParse(text)) {
    const url = new URL(text)
    if (url.protocol === 'https:' || url.protocol === 'http:') return url
  }
  throw badAnswer('it sent an address that is none')
}

function withQuery(url: URL, query: Readonly<Record<string, string>>): URL {
  const changed = new URL(url)
  for (const [key, value] of Object.entries(query)) changed.searchParams.set(key, value)
  return changed
}

function badAnswer(reason: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_CACHE_ANSWER', message: `ask github cache: ${reason}` })
}

async function* chunksOf(
  body: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly bytes: Buffer; readonly from: number }> {
  let held: Buffer[] = []
  let bytes = 0
  let from = 0
  for await (const chunk of body) {
    held.push(chunk)
    bytes += chunk.byteLength
    if (bytes < chunkBytes) continue
    yield { bytes: Buffer.concat(held), from }
    from += bytes
    held = []
    bytes = 0
  }
  if (bytes > 0) yield { bytes: Buffer.concat(held), from }
}
