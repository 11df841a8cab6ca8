// Requests to one registry: credentials to its own origin only, redirects by hand, transient failures tried again.
import type { Readable } from 'node:stream'
import { invariant, SlipwayError } from '../core/error.ts'
import type { Authorizer } from './authorizer.ts'
import type { Exchange, Method, RawAnswer } from './exchange.ts'
import { answerFailure, badAnswer, isTransient, isTransientStatus, networkFailure } from './failure.ts'
import { backoffMs, maxRetryAfterMs, orAbort, pause, retryAfterMs } from './retry.ts'
import type { RegistryOptions, RetryPolicy } from './types.ts'

export interface Ask {
  /** Opens the message of a failure: `fetch manifest docker.io/library/x:y`. */
  readonly act: string
  readonly method: Method
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** A stream can be sent once only: such a request is not tried again. */
  readonly body?: Readable | Uint8Array
  readonly scopes: readonly string[]
  /** Statuses that are given back; every other one is a failure. */
  readonly wanted: readonly number[]
  readonly headersMs?: number
  readonly signal?: AbortSignal
}

export interface Answer extends RawAnswer {
  /** Where it came from, after redirects. */
  readonly url: URL
}

export interface Transport {
  /** Where the registry answers. */
  readonly home: URL
  /** The answer, with a status the caller wants; its body must be read or discarded. */
  send(ask: Ask): Promise<Answer>
  /** What `read` makes of the answer to an `ask` that can be repeated; a connection that breaks while it is read is tried again, too. */
  receive<T>(ask: Ask, read: (answer: Answer) => Promise<T>): Promise<T>
}

const defaults: RetryPolicy = { tries: 5, baseMs: 500 }
const maxRedirects = 5
const redirects = new Set([301, 302, 303, 307, 308])
/** A registry that is silent is not asked as often as one that answers. */
const timeoutTries = 2

export function openTransport(
  home: URL,
  use: { readonly exchange: Exchange; readonly authorizer: Authorizer; readonly options: RegistryOptions },
): Transport {
  return {
    home,
    send: (ask) => withRetries(ask, use.options, () => follow(ask, home, use)),
    receive: (ask, read) => receiving(ask, use.options, () => follow(ask, home, use), read),
  }
}

/** As `withRetries`, but for what `read` makes of a wanted answer; reading it is part of what is tried again. */
async function receiving<A extends RawAnswer, T>(
  ask: Parameters<typeof withRetries>[0],
  options: Pick<RegistryOptions, 'retry' | 'debug'>,
  once: () => Promise<A>,
  read: (answer: A) => Promise<T>,
): Promise<T> {
  let received: { readonly value: T } | undefined
  await withRetries(ask, options, async () => {
    const answer = await once()
    if (ask.wanted.includes(answer.status)) received = { value: await read(answer) }
    return answer
  })
  invariant(received !== undefined, 'a wanted answer has been read')
  return received.value
}

/** Runs `once` until its answer is wanted or its failure is final. */
export async function withRetries<A extends RawAnswer>(
  ask: Pick<Ask, 'act' | 'url' | 'wanted' | 'body' | 'signal' | 'method'>,
  options: Pick<RegistryOptions, 'retry' | 'debug'>,
  once: () => Promise<A>,
): Promise<A> {
  const policy: RetryPolicy = { ...defaults, ...options.retry }
  const repeatable = ask.body === undefined || ask.body instanceof Uint8Array
  for (let attempt = 1; ; attempt++) {
    let failure: unknown
    let waitMs = backoffMs(policy, attempt)
    try {
      const answer = await once()
      options.debug?.('http', { method: ask.method, url: shown(ask.url), status: answer.status, attempt })
      if (ask.wanted.includes(answer.status)) return answer
      const retryAfter = answer.header('retry-after')
      const askedMs = isTransientStatus(answer.status)
        ? retryAfterMs(retryAfter, answer.header('date'))
        : undefined
      const isLong = askedMs !== undefined && askedMs > maxRetryAfterMs
      failure = await answerFailure(
        ask.act,
        answer,
        isLong ? { retryAfter: `${Math.ceil(askedMs / 1000)} s` } : {},
      )
      if (isLong) throw failure
      waitMs = askedMs ?? waitMs
    } catch (thrown) {
      ask.signal?.throwIfAborted()
      if (thrown === failure) throw thrown
      failure = networkFailure(ask.act, ask.url.host, thrown)
      options.debug?.('http', { method: ask.method, url: shown(ask.url), failure: String(failure), attempt })
    }
    const isSilent = failure instanceof SlipwayError && failure.code === 'ERR_REGISTRY_TIMEOUT'
    const tries = isSilent ? Math.min(timeoutTries, policy.tries) : policy.tries
    if (!repeatable || attempt >= tries || !isTransient(failure)) throw failure
    await pause(waitMs, ask.signal)
  }
}

async function follow(
  ask: Ask,
  home: URL,
  use: { readonly exchange: Exchange; readonly authorizer: Authorizer },
): Promise<Answer> {
  let url = ask.url
  // Once away from home, credentials stay away also when a redirect leads back: its path was chosen by a stranger.
  let isHome = url.origin === home.origin
  for (let hop = 0; ; hop++) {
    const answer = isHome
      ? await sendAuthorized({ ...ask, url }, use)
      : await sendRaw({ ...ask, url }, undefined, use.exchange)
    const location = answer.header('location')
    const isRead = ask.method === 'GET' || ask.method === 'HEAD'
    if (!isRead || !redirects.has(answer.status) || location === undefined) return { ...answer, url }
    await answer.discard()
    if (hop >= maxRedirects) throw badAnswer(ask.act, `more than ${maxRedirects} redirects`)
    url = resolveLocation(ask.act, location, url)
    isHome &&= url.origin === home.origin
  }
}

/** A Location header as a URL that may be followed: http(s), no downgrade from https, no user info. */
export function resolveLocation(act: string, location: string, from: URL): URL {
  if (!URL.canParse(location, from.href))
    throw badAnswer(act, 'the registry sent an address that is not a URL')
  const url = new URL(location, from)
  if (url.protocol !== 'https:' && url.protocol !== from.protocol) {
    throw badAnswer(act, `redirect from ${from.protocol}// to ${url.protocol}// refused`)
  }
  if (url.username !== '' || url.password !== '') throw badAnswer(act, 'redirect with credentials refused')
  url.hash = ''
  return url
}

async function sendAuthorized(
  ask: Ask,
  use: { readonly exchange: Exchange; readonly authorizer: Authorizer },
): Promise<RawAnswer> {
  let header = await use.authorizer.known(ask.scopes)
  // A held token may have been revoked: one fresh answer to the challenge, and only then the failure counts.
  const isFresh = header === undefined
  for (let turn = isFresh ? 1 : 0; ; turn++) {
    const answer = await sendRaw(ask, header, use.exchange)
    if (answer.status !== 401 || turn > 1 || ask.wanted.includes(401)) return answer
    if (ask.body !== undefined && !(ask.body instanceof Uint8Array)) return answer
    const rejected = header
    const request = {
      act: ask.act,
      challenges: answer.headerValues('www-authenticate'),
      scopes: ask.scopes,
      rejected,
    }
    header = await orAbort(use.authorizer.answer(request), ask.signal)
    if (header === undefined) return answer
    await answer.discard()
  }
}

function sendRaw(ask: Ask, authorization: string | undefined, exchange: Exchange): Promise<RawAnswer> {
  const { method, url, body, headersMs, signal } = ask
  return exchange.send({
    method,
    url,
    headers: { ...ask.headers, ...(authorization === undefined ? {} : { authorization }) },
    ...(body === undefined ? {} : { body }),
    ...(headersMs === undefined ? {} : { headersMs }),
    ...(signal === undefined ? {} : { signal }),
  })
}

/** A URL for the debug log: queries may hold signatures. */
function shown(url: URL): string {
  return url.origin + url.pathname
}
