// Bearer tokens (distribution-spec "Token Authentication"; docker's token and OAuth2 endpoints).
import type { Readable } from 'node:stream'
import { SlipwayError } from '../core/error.ts'
import type { Challenge } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { badAnswer } from './failure.ts'
import { isLoopback, isPrivateLiteral } from './host.ts'
import { paced } from './paced.ts'

export interface Token {
  readonly text: string
  readonly expiresInSeconds: number
}

/** A request to a token server: no credentials but those in it, no redirects; transient failures are tried again. */
export type AskTokenServer = (request: {
  readonly act: string
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}) => Promise<{ readonly body: Readable }>

const maxTokenBytes = 1 << 20
const defaultSeconds = 60

/** The token that `challenge` of the registry at `home` asks for. Throws ERR_REGISTRY_CHALLENGE for realms that are not to be trusted. */
export async function fetchToken(
  ask: AskTokenServer,
  request: {
    readonly act: string
    readonly home: URL
    readonly challenge: Challenge
    readonly scopes: readonly string[]
    readonly credentials: Credentials | undefined
  },
): Promise<Token> {
  const { challenge, credentials } = request
  const act = `${request.act}: get a token`
  const realm = checkRealm(act, challenge.parameters.realm, request.home)
  const service = challenge.parameters.service
  const asked = challenge.parameters.scope
  const scopes = request.scopes.length > 0 || !asked ? request.scopes : asked.split(' ')
  if (credentials?.kind === 'refresh') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'slipway',
      refresh_token: credentials.token,
      ...(service === undefined ? {} : { service }),
      scope: scopes.join(' '),
    })
    const answer = await ask({
      act,
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(form.toString()),
    })
    return readToken(act, answer.body)
  }
  if (service !== undefined) realm.searchParams.set('service', service)
  for (const scope of scopes) realm.searchParams.append('scope', scope)
  const answer = await ask({
    act,
    method: 'GET',
    url: realm,
    headers: credentials?.kind === 'password' ? { authorization: basic(credentials) } : {},
  })
  return readToken(act, answer.body)
}

/** The Authorization header of a user name and password. */
export function basic(credentials: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
}

/**
 * The realm as a URL credentials may be sent to: https, or http where the registry itself is plain; never an
 * address inside a private network unless the registry is there too (oras CVE-2026-48978).
 */
function checkRealm(act: string, realm: string | undefined, home: URL): URL {
  const refuse = (why: string): never => {
    throw new SlipwayError({
      code: 'ERR_REGISTRY_CHALLENGE',
      message: `${act}: the registry names a token server that is refused: ${why}`,
    })
  }
  if (realm === undefined || !URL.canParse(realm)) return refuse('its address is not a URL')
  const url = new URL(realm)
  const plain = url.protocol === 'http:' && home.protocol === 'http:'
  if (url.protocol !== 'https:' && !plain) return refuse(`${url.protocol}// is not allowed here`)
  if (url.username !== '' || url.password !== '') return refuse('its address contains credentials')
  const isSame = url.hostname === home.hostname || (isLoopback(url.hostname) && isLoopback(home.hostname))
  if (!isSame && (isPrivateLiteral(url.hostname) || plain)) {
    return refuse(plain ? 'plain HTTP to another host' : 'it is inside a private network')
  }
  url.hash = ''
  return url
}

async function readToken(act: string, body: Readable): Promise<Token> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of paced(body, act)) {
    bytes += chunk.byteLength
    if (bytes > maxTokenBytes) throw badAnswer(act, "the token server's answer is too large")
    chunks.push(chunk)
  }
  let value: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8')) as typeof value
  } catch {
    throw badAnswer(act, "the token server's answer is not JSON")
  }
  const text = value?.token || value?.access_token
  if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) {
    throw badAnswer(act, "the token server's answer holds no token")
  }
  const seconds = value?.expires_in
  return { text, expiresInSeconds: typeof seconds === 'number' && seconds > 0 ? seconds : defaultSeconds }
}
