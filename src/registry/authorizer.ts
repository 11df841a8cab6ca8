// Which Authorization header goes to one registry. Bound to its origin: the transport asks only for requests that go there.
import { type Challenge, parseChallenges } from './challenge.ts'
import type { Credentials, FindCredentials } from './credentials.ts'
import { type AskTokenServer, basic, fetchToken } from './token.ts'

export interface Authorizer {
  /** The header to send without being asked; undefined until a challenge was answered for these scopes. */
  known(scopes: readonly string[]): Promise<string | undefined>
  /**
   * The header that answers a 401 with these WWW-Authenticate values; `rejected` is the one just refused.
   * Undefined when there is nothing (else) to offer.
   */
  answer(request: {
    readonly act: string
    readonly challenges: readonly string[]
    readonly scopes: readonly string[]
    readonly rejected: string | undefined
  }): Promise<string | undefined>
}

interface Held {
  readonly header: Promise<string>
  /** On the monotonic clock, milliseconds. */
  goodUntil: number
}

/** Tokens are renewed this much before they end. */
const marginSeconds = 5

/** The authorizer of the registry `registry` (as in references) that answers at `home`. */
export function openAuthorizer(
  registry: string,
  home: URL,
  use: { readonly find: FindCredentials; readonly ask: AskTokenServer },
): Authorizer {
  const held = new Map<string, Held>()
  const always = ''
  const keyOf = (scopes: readonly string[]): string => [...scopes].sort().join(' ')
  const lookUp = async (key: string): Promise<string | undefined> => {
    const found = held.get(key)
    if (found === undefined) return undefined
    const header = await found.header.catch(() => undefined)
    return performance.now() < found.goodUntil ? header : undefined
  }
  const keep = (key: string, header: string): string => {
    held.set(key, { header: Promise.resolve(header), goodUntil: Number.POSITIVE_INFINITY })
    return header
  }

  /** One token request per scopes at a time: parallel blobs all meet the same 401. */
  const requestToken = (
    act: string,
    challenge: Challenge,
    scopes: readonly string[],
    credentials: Credentials | undefined,
  ): Promise<string> => {
    const key = keyOf(scopes)
    const token = fetchToken(use.ask, { act, home, challenge, scopes, credentials })
    const entry: Held = { header: token.then((t) => `Bearer ${t.text}`), goodUntil: Number.POSITIVE_INFINITY }
    held.set(key, entry)
    token.then(
      (t) => {
        entry.goodUntil = performance.now() + Math.max(1, t.expiresInSeconds - marginSeconds) * 1000
      },
      // A failed request must not be remembered; who waits for `header` reports it.
      () => {
        if (held.get(key) === entry) held.delete(key)
      },
    )
    return entry.header
  }

  return {
    known: async (scopes) => (await lookUp(always)) ?? (await lookUp(keyOf(scopes))),
    async answer({ act, challenges, scopes, rejected }) {
      const key = keyOf(scopes)
      const current = (await lookUp(always)) ?? (await lookUp(key))
      // Somebody else has renewed it while this request was under way.
      if (current !== undefined && current !== rejected) return current
      held.delete(always)
      held.delete(key)
      const credentials = await use.find(registry)
      const offered = parseChallenges(challenges)
      const bearer = offered.find((c) => c.scheme === 'bearer')
      if (bearer !== undefined) {
        if (credentials?.kind !== 'bearer') return await requestToken(act, bearer, scopes, credentials)
        const header = `Bearer ${credentials.token}`
        return header === rejected ? undefined : keep(always, header)
      }
      if (offered.some((c) => c.scheme === 'basic') && credentials?.kind === 'password') {
        const header = basic(credentials)
        return header === rejected ? undefined : keep(always, header)
      }
      return undefined
    },
  }
}
