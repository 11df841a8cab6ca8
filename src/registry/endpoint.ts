// Where a registry answers: its host, and whether it speaks TLS.

import { codeOf } from './connection-failure.ts'
import type { Exchange } from './exchange.ts'
import { networkFailure } from './failure.ts'
import { hostOf, isLoopback } from './host.ts'

/** What a plain HTTP server does to a TLS handshake. */
const notTls = /^(EPROTO|ERR_SSL_|ECONNRESET|UND_ERR_SOCKET|UND_ERR_CONNECT_TIMEOUT$)/

/**
 * The origin of a reference's registry. Always https, unless the host is this machine or configured as insecure:
 * those are asked once, without credentials, whether they speak TLS.
 */
export async function findEndpoint(registry: string, exchange: Exchange): Promise<URL> {
  const host = hostOf(registry)
  const secure = new URL(`https://${host}`)
  if (!isLoopback(host) && !exchange.isInsecure(host)) return secure
  try {
    const answer = await exchange.send({ method: 'GET', url: new URL('/v2/', secure), headers: {} })
    await answer.discard()
    return secure
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code !== undefined && notTls.test(code)) return new URL(`http://${host}`)
    throw networkFailure(`connect to ${registry}`, host, thrown)
  }
}
