// What becomes of a connection that fails, to a registry or to any other server: what kind of failure it is, and why,
// in a few words. Its code and the rest of its message are the caller's.
import { errnoOf, oneLine } from '../core/error.ts'

export type ConnectionKind = 'UNREACHABLE' | 'INTERRUPTED' | 'TIMEOUT' | 'ANSWER' | 'CERTIFICATE'

export interface ConnectionFailure {
  readonly kind: ConnectionKind
  readonly reason: string
  /** The code of the system, of TLS or of the HTTP library. */
  readonly error: string
  /** For failures that have the same remedy everywhere. */
  readonly hint?: string
}

/** What failed, `who` being the other end ("the registry"); undefined for what is no failure of a connection. */
export function connectionFailure(who: string, thrown: unknown): ConnectionFailure | undefined {
  const error = codeOf(thrown)
  if (error === undefined) return undefined
  const text = oneLine(thrown instanceof Error ? thrown.message : String(thrown))
  const [kind, reason] = known(who)[error] ?? []
  if (kind !== undefined && reason !== undefined) return { error, kind, reason }
  if (error.startsWith('HPE_')) return { error, kind: 'ANSWER', reason: 'what it answers is not HTTP' }
  if (certificate.test(error)) {
    const hint = 'trust its CA: SLIPWAY_EXTRA_CA_CERTS=file.pem'
    return { error, kind: 'CERTIFICATE', reason: `its certificate is not trusted: ${text}`, hint }
  }
  if (isTls(error)) return { error, kind: 'CERTIFICATE', reason: 'TLS handshake failed' }
  return { error, kind: 'UNREACHABLE', reason: text }
}

/** Whether TLS was not understood, be it that plain HTTP is spoken there. */
export function isTls(error: string): boolean {
  return error === 'EPROTO' || error.startsWith('ERR_SSL_')
}

/** The code of a network error, of its cause where a library wrapped it; undefined for what is no network error. */
export function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  const own = (thrown as { code?: unknown }).code
  if (typeof own === 'string' && own !== 'ABORT_ERR') return own
  // undici does not always find a code for bytes that are not HTTP.
  if (thrown.name === 'HTTPParserError') return 'HPE_UNKNOWN'
  return errnoOf(thrown.cause)
}

const certificate =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/

function known(who: string): Readonly<Record<string, readonly [ConnectionKind, string]>> {
  return {
    ECONNREFUSED: ['UNREACHABLE', 'connection refused'],
    ENOTFOUND: ['UNREACHABLE', 'no such host'],
    EAI_AGAIN: ['UNREACHABLE', 'the host name could not be resolved'],
    EHOSTUNREACH: ['UNREACHABLE', 'no route to host'],
    ENETUNREACH: ['UNREACHABLE', 'network unreachable'],
    ECONNRESET: ['INTERRUPTED', 'connection reset'],
    EPIPE: ['INTERRUPTED', `connection closed by ${who}`],
    UND_ERR_SOCKET: ['INTERRUPTED', `connection closed by ${who}`],
    UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['INTERRUPTED', 'the answer was cut short'],
    UND_ERR_ABORTED: ['INTERRUPTED', 'the request was aborted'],
    ETIMEDOUT: ['TIMEOUT', 'connection timed out'],
    UND_ERR_CONNECT_TIMEOUT: ['TIMEOUT', 'connection timed out'],
    UND_ERR_HEADERS_TIMEOUT: ['TIMEOUT', `${who} does not answer`],
    UND_ERR_BODY_TIMEOUT: ['TIMEOUT', `${who} stopped sending`],
    UND_ERR_HEADERS_OVERFLOW: ['ANSWER', "the answer's header is too large"],
  }
}
