// The client's one entry: repositories of any registry over shared connections, credentials and tokens.
import { limit } from '../core/limit.ts'
import { openAuthorizer } from './authorizer.ts'
import { openCredentials } from './credentials.ts'
import { findEndpoint } from './endpoint.ts'
import { type Exchange, openExchange } from './exchange.ts'
import { openRepository } from './repository.ts'
import { orAbort } from './retry.ts'
import type { AskTokenServer } from './token.ts'
import { openTransport, type Transport, withRetries } from './transport.ts'
import type { Registry, RegistryOptions, RetryPolicy } from './types.ts'

/** More gain nothing from one registry and annoy it (BuildKit's number too). */
const parallelTransfers = 4
const defaultRetry: RetryPolicy = { tries: 5, baseMs: 500 }

/** A client that reads nothing and connects to nothing before it is used. */
export function openRegistry(given: RegistryOptions): Registry {
  const retry: RetryPolicy = { ...defaultRetry, ...given.retry }
  const options: RegistryOptions = { ...given, retry }
  const exchange = openExchange(options)
  const find = openCredentials(options.environment)
  const ask = tokenServer(exchange, options)
  const transports = new Map<string, Promise<Transport>>()

  const open = async (registry: string): Promise<Transport> => {
    const home = await findEndpoint(registry, exchange)
    const authorizer = openAuthorizer(registry, home, { find, ask })
    return openTransport(home, { exchange, authorizer, options })
  }
  const transport = (registry: string): Promise<Transport> => {
    const known = transports.get(registry)
    if (known !== undefined) return known
    const opening = open(registry)
    transports.set(registry, opening)
    // A registry that was down may be up when it is asked again.
    opening.catch(() => transports.delete(registry))
    return opening
  }

  return {
    slots: limit(parallelTransfers),
    retry,
    repository: (ref, access = {}) =>
      openRepository({ registry: ref.registry, path: ref.repository }, access, {
        transport: (signal) => orAbort(transport(ref.registry), signal),
        retry,
      }),
    close: () => exchange.close(),
  }
}

function tokenServer(exchange: Exchange, options: RegistryOptions): AskTokenServer {
  return ({ act, method, url, headers, body }) =>
    withRetries({ act, method, url, wanted: [200] }, options, () =>
      exchange.send({ method, url, headers, ...(body === undefined ? {} : { body }) }),
    )
}
