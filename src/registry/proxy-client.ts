// Asking a proxy for tunnels. Its failures are told apart from the registry's, and none of them is one that undici
// would try again by itself for ever, as it does with a connection that closes before anything was sent on it.
import type { Dispatcher, Pool } from 'undici'
import { SlipwayError } from '../core/error.ts'
import { codeOf } from './connection-failure.ts'
import { networkFailure } from './failure.ts'

/** Connections to the proxy at `url`, for undici's `clientFactory`. `pool` is undici's class, which is loaded late. */
export function proxyClient(pool: typeof Pool, url: URL, options: object): Dispatcher {
  const connections = new pool(url.origin, options)
  const open = connections.connect.bind(connections) as (
    options: Dispatcher.ConnectOptions,
  ) => Promise<Dispatcher.ConnectData>
  const connect = async (asked: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
    const act = `ask proxy ${url.host} for a tunnel to ${asked.path}`
    let answer: Dispatcher.ConnectData
    try {
      answer = await open(asked)
    } catch (thrown) {
      throw failure(act, url, thrown)
    }
    if (answer.statusCode === 200) return answer
    answer.socket.on('error', () => undefined).destroy()
    throw refused(act, answer.statusCode)
  }
  return Object.assign(connections, { connect })
}

const hint = 'check https_proxy, and no_proxy for registries that need no proxy'

function failure(act: string, url: URL, thrown: unknown): unknown {
  if (codeOf(thrown) === 'UND_ERR_SOCKET') {
    return new SlipwayError({
      code: 'ERR_PROXY_FAILED',
      message: `${act}: it closed the connection`,
      hint,
      data: { transient: true },
      cause: thrown,
    })
  }
  const known = networkFailure(act, url.host, thrown)
  return known instanceof SlipwayError ? new SlipwayError({ ...known.toJSON(), hint, cause: thrown }) : known
}

function refused(act: string, status: number): SlipwayError {
  return new SlipwayError({
    code: 'ERR_PROXY_FAILED',
    message: `${act}: it answered ${status}`,
    hint: status === 407 ? 'put user:password@ before its host in https_proxy' : hint,
    data: { status, ...(status === 502 || status === 503 || status === 504 ? { transient: true } : {}) },
  })
}
