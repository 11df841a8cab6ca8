// One HTTP request and its answer over undici: connections, TLS, proxies, timeouts. No redirects, retries or credentials.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { Dispatcher } from 'undici'
import { SlipwayError } from '../core/error.ts'
import { isLoopback } from './host.ts'
import { proxyClient } from './proxy-client.ts'
import type { RegistryOptions, Timeouts } from './types.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface RawRequest {
  readonly method: Method
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Readable | Uint8Array
  /** Overrides `timeouts.headersMs`. */
  readonly headersMs?: number
  readonly signal?: AbortSignal
}

export interface RawAnswer {
  readonly status: number
  readonly body: Readable
  /** The last value of a header. */
  header(name: string): string | undefined
  headerValues(name: string): readonly string[]
  /** Reads (a bounded part of) the body away so that the connection can be used again. */
  discard(): Promise<void>
}

export interface Exchange {
  /** Sends a request as it is. Throws what the network said (see failure.ts). */
  send(request: RawRequest): Promise<RawAnswer>
  /** Whether certificates of this host are not checked. */
  isInsecure(host: string): boolean
  close(): Promise<void>
}

const defaults: Timeouts = { connectMs: 10_000, headersMs: 30_000, idleMs: 30_000 }
const maxHeaderBytes = 64 << 10
const discardBytes = 128 << 10

interface Wire {
  dispatch(url: URL): Dispatcher
  request(dispatcher: Dispatcher, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>
  close(): Promise<void>
}

/** Loads undici and reads the CA files at the first request, so that opening costs nothing. */
export function openExchange(options: RegistryOptions): Exchange {
  const timeouts: Timeouts = { ...defaults, ...options.timeouts }
  const insecure = new Set(options.insecure)
  const isInsecure = (host: string): boolean => insecure.has(host)
  let wire: Promise<Wire> | undefined
  return {
    isInsecure,
    async send(request) {
      wire ??= openWire(options, timeouts, isInsecure)
      const { dispatch, request: run } = await wire
      const headersMs = request.headersMs ?? timeouts.headersMs
      const begun = performance.now()
      // undici waits anew after each interim answer (1xx), and a server may send them for ever.
      const onInfo = (): void => {
        if (performance.now() - begun > headersMs) {
          throw Object.assign(new Error('interim answers only'), { code: 'UND_ERR_HEADERS_TIMEOUT' })
        }
      }
      const answer = await run(dispatch(request.url), {
        origin: request.url.origin,
        path: request.url.pathname + request.url.search,
        method: request.method,
        headers: { ...request.headers, 'user-agent': 'slipway', 'accept-encoding': 'identity' },
        body: request.body ?? null,
        headersTimeout: headersMs,
        bodyTimeout: timeouts.idleMs,
        // What is being sent may take its time, and be told so.
        ...(request.body === undefined ? { onInfo } : {}),
        // undici drops the connection after HEAD to be safe from servers that send a body; registries do not.
        ...(request.method === 'HEAD' ? { reset: false } : {}),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      })
      const headerValues = (name: string): readonly string[] => {
        const value = answer.headers[name]
        return value === undefined ? [] : Array.isArray(value) ? value : [value]
      }
      return {
        status: answer.statusCode,
        body: answer.body,
        header: (name) => headerValues(name).at(-1),
        headerValues,
        discard: () => answer.body.dump({ limit: discardBytes }),
      }
    },
    async close() {
      // What could not be opened has been reported to who asked.
      await wire?.then(
        (opened) => opened.close(),
        () => undefined,
      )
    },
  }
}

async function openWire(
  options: RegistryOptions,
  timeouts: Timeouts,
  isInsecure: (host: string) => boolean,
): Promise<Wire> {
  const [{ default: Agent }, { default: request }, trusted] = await Promise.all([
    import('undici/lib/dispatcher/agent.js'),
    import('undici/lib/api/api-request.js'),
    trust(options.caFiles ?? []),
  ])
  const proxies = proxiesOf(options.environment)
  const hasProxy = proxies.httpProxy !== '' || proxies.httpsProxy !== ''
  const undici = hasProxy ? await import('undici') : undefined
  const common = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.idleMs,
  }
  const open = new Map<string, Dispatcher>()
  const make = (checked: boolean, proxied: boolean): Dispatcher => {
    const security = checked ? trusted : { rejectUnauthorized: false }
    const connect = { timeout: timeouts.connectMs, ...security }
    if (!proxied || undici === undefined) return new Agent({ ...common, connect })
    const { EnvHttpProxyAgent, Pool } = undici
    return new EnvHttpProxyAgent({
      ...common,
      ...proxies,
      connect,
      requestTls: connect,
      // Plain HTTP is not tunnelled: proxies allow CONNECT to port 443 only.
      proxyTunnel: false,
      clientFactory: (proxy, client) => proxyClient(Pool, proxy, client),
    })
  }
  return {
    dispatch(url) {
      const checked = !isInsecure(url.host)
      // As Go does: loopback is never reached through a proxy, and https only through https_proxy.
      const proxy = url.protocol === 'https:' ? proxies.httpsProxy : proxies.httpProxy
      const proxied = proxy !== '' && !isLoopback(url.hostname)
      const key = `${checked} ${proxied}`
      const dispatcher = open.get(key) ?? make(checked, proxied)
      open.set(key, dispatcher)
      return dispatcher
    },
    request: (dispatcher, requestOptions) => request.call(dispatcher, requestOptions),
    async close() {
      await Promise.all([...open.values()].map((dispatcher) => dispatcher.destroy()))
    },
  }
}

function proxiesOf(environment: RegistryOptions['environment']): {
  readonly httpProxy: string
  readonly httpsProxy: string
  readonly noProxy: string
} {
  const read = (name: string): string => environment[name] || environment[name.toUpperCase()] || ''
  const proxy = (name: string): string => {
    const value = read(name)
    const url = value === '' || value.includes('://') ? value : `http://${value}`
    if (url === '' || URL.canParse(url)) return url
    throw new SlipwayError({ code: 'ERR_PROXY_INVALID', message: `read ${name}: it is not a URL` })
  }
  return { httpProxy: proxy('http_proxy'), httpsProxy: proxy('https_proxy'), noProxy: read('no_proxy') }
}

/** TLS options that trust the built-in certificates and these files. */
async function trust(caFiles: readonly string[]): Promise<{ readonly secureContext?: SecureContext }> {
  if (caFiles.length === 0) return {}
  const { createSecureContext, rootCertificates } = await import('node:tls')
  const extra = await Promise.all(
    caFiles.map(async (path) => {
      try {
        const pem = await readFile(path, 'utf8')
        // TLS would leave out silently what it cannot read.
        new X509Certificate(pem)
        return pem
      } catch (cause) {
        throw new SlipwayError({
          code: 'ERR_CA_INVALID',
          message: `read CA file ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause,
        })
      }
    }),
  )
  return { secureContext: createSecureContext({ ca: [...rootCertificates, ...extra] }) }
}
