// What the web says, as one line for a person and a stable code for a program.
import { SlipwayError } from '../core/error.ts'
import { codeOf, isTransientStatus } from '../registry/failure.ts'

interface Kind {
  readonly code: string
  readonly reason: string
  readonly hint?: string
}

const statuses: Readonly<Record<number, Kind>> = {
  401: {
    code: 'ERR_HTTP_UNAUTHORIZED',
    reason: 'unauthorized',
    hint: 'give a token with --secret id=HTTP_AUTH_TOKEN_<host>',
  },
  403: {
    code: 'ERR_HTTP_DENIED',
    reason: 'forbidden',
    hint: 'if it needs a token: --secret id=HTTP_AUTH_TOKEN_<host>',
  },
  404: { code: 'ERR_HTTP_NOT_FOUND', reason: 'not found' },
  410: { code: 'ERR_HTTP_NOT_FOUND', reason: 'gone' },
  429: { code: 'ERR_HTTP_BUSY', reason: 'too many requests' },
}

const interrupted: Kind = { code: 'ERR_HTTP_INTERRUPTED', reason: 'the connection was closed too early' }
const silent: Kind = { code: 'ERR_HTTP_TIMEOUT', reason: 'the server does not answer' }

const network: Readonly<Record<string, Kind>> = {
  ECONNREFUSED: { code: 'ERR_HTTP_UNREACHABLE', reason: 'connection refused' },
  ENOTFOUND: {
    code: 'ERR_HTTP_UNREACHABLE',
    reason: 'no such host',
    hint: 'check the name and the DNS set-up',
  },
  EAI_AGAIN: { code: 'ERR_HTTP_UNREACHABLE', reason: 'the host name could not be resolved' },
  EHOSTUNREACH: { code: 'ERR_HTTP_UNREACHABLE', reason: 'no route to host' },
  ENETUNREACH: { code: 'ERR_HTTP_UNREACHABLE', reason: 'network unreachable' },
  ECONNRESET: interrupted,
  EPIPE: interrupted,
  UND_ERR_SOCKET: interrupted,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: interrupted,
  UND_ERR_ABORTED: interrupted,
  ETIMEDOUT: silent,
  UND_ERR_CONNECT_TIMEOUT: silent,
  UND_ERR_HEADERS_TIMEOUT: silent,
  UND_ERR_BODY_TIMEOUT: { code: 'ERR_HTTP_TIMEOUT', reason: 'the server stopped sending' },
  UND_ERR_HEADERS_OVERFLOW: { code: 'ERR_HTTP_ANSWER', reason: "the answer's header is too large" },
}

const certificate =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/

const transient = new Set(['ERR_HTTP_INTERRUPTED', 'ERR_HTTP_TIMEOUT', 'ERR_HTTP_BUSY'])

/** Whether trying the same again may help. */
export function isTransientFailure(thrown: unknown): boolean {
  if (!(thrown instanceof SlipwayError)) return false
  return transient.has(thrown.code) || thrown.data?.error === 'EAI_AGAIN' || thrown.data?.transient === true
}

/** The failure of a connection; failures that are ours, and aborts, pass unchanged. */
export function connectionFailure(act: string, thrown: unknown): unknown {
  const error = codeOf(thrown)
  if (thrown instanceof SlipwayError || error === undefined) return thrown
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const { code, reason, hint } = kindOf(error, text)
  return new SlipwayError({
    code,
    message: `${act}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
    data: { error },
    cause: thrown,
  })
}

function kindOf(error: string, text: string): Kind {
  const known = network[error]
  if (known !== undefined) return known
  if (error.startsWith('HPE_')) return { code: 'ERR_HTTP_ANSWER', reason: 'what it answers is not HTTP' }
  if (certificate.test(error)) {
    return {
      code: 'ERR_HTTP_CERTIFICATE',
      reason: `its certificate is not trusted: ${text}`,
      hint: 'trust its CA: SLIPWAY_EXTRA_CA_CERTS=file.pem',
    }
  }
  if (error === 'EPROTO' || error.startsWith('ERR_SSL_')) {
    return { code: 'ERR_HTTP_CERTIFICATE', reason: 'TLS handshake failed', hint: 'is it an http:// address?' }
  }
  return { code: 'ERR_HTTP_UNREACHABLE', reason: text }
}

/** The failure a status stands for. */
export function statusFailure(act: string, status: number): SlipwayError {
  const kind = statuses[status] ?? {
    code: 'ERR_HTTP_ANSWER',
    reason: status >= 500 ? 'server error' : 'not an answer that has a file',
  }
  return new SlipwayError({
    code: kind.code,
    message: `${act}: ${status} ${kind.reason}`,
    ...(kind.hint === undefined ? {} : { hint: kind.hint }),
    data: { status, ...(isTransientStatus(status) ? { transient: true } : {}) },
  })
}

/** Content that is not what it should be. */
export function checksumFailure(act: string, found: string, expected: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_DIGEST_MISMATCH',
    message: `${act}: the content is ${found}, not ${expected}`,
    hint: 'what is at the URL has changed, or --checksum is wrong',
    data: { expected, found },
  })
}
