// One question to the web: redirects followed by hand, credentials only to the origin they are for.
import { redact, SlipwayError } from '../core/error.ts'
import type { Exchange, RawAnswer } from '../registry/exchange.ts'
import { isLocalLiteral } from '../registry/host.ts'
import type { ReadSecret } from './secret.ts'

export interface UrlAsk {
  /** Opens the message of a failure. */
  readonly act: string
  /** As written; user and password in it are sent as credentials. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** As many as Go follows. */
const maxRedirects = 10
const redirects = new Set([301, 302, 303, 307, 308])

/** The answer at the end of all redirects, whatever its status. Its body must be read or destroyed. */
export async function askUrl(
  { act, url, headers, signal }: UrlAsk,
  { exchange, secret }: { readonly exchange: Exchange; readonly secret: ReadSecret },
): Promise<RawAnswer> {
  if (!URL.canParse(url)) throw new SlipwayError({ code: 'ERR_HTTP_URL', message: `${act}: it is not a URL` })
  let at = new URL(url)
  let authorization = await authorizationFor(at, secret)
  at = bare(at)
  for (let hop = 0; ; hop++) {
    const own = authorization === undefined ? headers : { ...headers, authorization }
    const answer = await exchange.send({ method: 'GET', url: at, headers: own, signal })
    const location = answer.header('location')
    if (!redirects.has(answer.status) || location === undefined) return answer
    await answer.discard()
    if (hop >= maxRedirects) throw redirectFailure(act, `more than ${maxRedirects} redirects`)
    const next = target(act, location, at)
    // Once elsewhere, also a redirect that leads back was chosen by a stranger.
    if (next.origin !== at.origin) authorization = undefined
    at = next
  }
}

function target(act: string, location: string, from: URL): URL {
  if (!URL.canParse(location, from.href)) throw redirectFailure(act, 'redirected to what is not a URL')
  const to = new URL(location, from)
  const isAllowed = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')
  if (!isAllowed) {
    const why = to.protocol === 'http:' ? 'which is not encrypted' : 'which is no web address'
    throw redirectFailure(act, `redirect to ${redact(to.href).slice(0, 300)} refused, ${why}`)
  }
  // Differs: BuildKit lets any server send it to what only this machine can reach.
  if (isLocalLiteral(to.hostname) && !isLocalLiteral(from.hostname)) {
    const shown = redact(to.href).slice(0, 300)
    throw redirectFailure(act, `redirect to ${shown} refused, which another machine has no business with`)
  }
  return bare(to)
}

function bare(url: URL): URL {
  const copy = new URL(url)
  copy.username = ''
  copy.password = ''
  copy.hash = ''
  return copy
}

/** The secrets for the host (BuildKit's names), else what the URL itself says. */
async function authorizationFor(url: URL, secret: ReadSecret): Promise<string | undefined> {
  const token = await secret(`HTTP_AUTH_TOKEN_${url.hostname}`)
  const header = token === undefined ? await secret(`HTTP_AUTH_HEADER_${url.hostname}`) : `Bearer ${token}`
  if (header !== undefined) return header
  if (url.username === '' && url.password === '') return undefined
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return `Basic ${Buffer.from(user).toString('base64')}`
}

function redirectFailure(act: string, why: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_HTTP_REDIRECT', message: `${act}: ${why}` })
}
