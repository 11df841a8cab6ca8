// What a registry or the network says, as one line for a person and a stable code for a program.
import type { Readable } from 'node:stream'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { paced } from './paced.ts'

const maxReadBytes = 64 << 10
const maxShown = 1 << 10

interface Kind {
  readonly code: string
  readonly reason: string
  readonly hint?: string
}

const statuses: Readonly<Record<number, Kind>> = {
  401: {
    code: 'ERR_REGISTRY_UNAUTHORIZED',
    reason: 'unauthorized',
    hint: 'check the name (registries also answer this for repositories that do not exist), or log in: docker login',
  },
  403: {
    code: 'ERR_REGISTRY_DENIED',
    reason: 'forbidden',
    hint: "the account in docker's config.json may not do this; log in as another one: docker login",
  },
  404: { code: 'ERR_REGISTRY_NOT_FOUND', reason: 'not found' },
  429: {
    code: 'ERR_REGISTRY_BUSY',
    reason: 'too many requests',
    hint: 'wait, or log in for a higher limit: docker login',
  },
}

const network: Readonly<Record<string, Kind>> = {
  ECONNREFUSED: {
    code: 'ERR_REGISTRY_UNREACHABLE',
    reason: 'connection refused',
    hint: 'is the registry running, and is the port right?',
  },
  ENOTFOUND: {
    code: 'ERR_REGISTRY_UNREACHABLE',
    reason: 'no such host',
    hint: "check the registry's name and the DNS set-up",
  },
  EAI_AGAIN: {
    code: 'ERR_REGISTRY_UNREACHABLE',
    reason: 'the host name could not be resolved',
    hint: 'check the network and the DNS set-up',
  },
  EHOSTUNREACH: { code: 'ERR_REGISTRY_UNREACHABLE', reason: 'no route to host' },
  ENETUNREACH: { code: 'ERR_REGISTRY_UNREACHABLE', reason: 'network unreachable' },
  ECONNRESET: { code: 'ERR_REGISTRY_INTERRUPTED', reason: 'connection reset' },
  EPIPE: { code: 'ERR_REGISTRY_INTERRUPTED', reason: 'connection closed by the registry' },
  UND_ERR_SOCKET: { code: 'ERR_REGISTRY_INTERRUPTED', reason: 'connection closed by the registry' },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    code: 'ERR_REGISTRY_INTERRUPTED',
    reason: 'the answer was cut short',
  },
  UND_ERR_ABORTED: { code: 'ERR_REGISTRY_INTERRUPTED', reason: 'the request was aborted' },
  ETIMEDOUT: { code: 'ERR_REGISTRY_TIMEOUT', reason: 'connection timed out' },
  UND_ERR_CONNECT_TIMEOUT: { code: 'ERR_REGISTRY_TIMEOUT', reason: 'connection timed out' },
  UND_ERR_HEADERS_TIMEOUT: { code: 'ERR_REGISTRY_TIMEOUT', reason: 'the registry does not answer' },
  UND_ERR_BODY_TIMEOUT: { code: 'ERR_REGISTRY_TIMEOUT', reason: 'the registry stopped sending' },
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: {
    code: 'ERR_DIGEST_MISMATCH',
    reason: 'the content does not have the size it should have',
  },
  UND_ERR_HEADERS_OVERFLOW: { code: 'ERR_REGISTRY_ANSWER', reason: "the answer's header is too large" },
}

const certificate =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/

/** Whether trying the same again may help. */
export function isTransient(thrown: unknown): boolean {
  return thrown instanceof SlipwayError && thrown.data?.transient === true
}

const transientStatuses = new Set([408, 425, 429, 499, 500, 502, 503, 504, 522])
const transientErrors = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
])

export function isTransientStatus(status: number): boolean {
  return transientStatuses.has(status)
}

/** The failure of a connection; failures that are ours, and aborts by `signal`, pass unchanged. */
export function networkFailure(act: string, host: string, thrown: unknown): unknown {
  if (thrown instanceof SlipwayError) return thrown
  const name = codeOf(thrown)
  if (name === undefined) return thrown
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const kind = kindOf(name, text)
  return new SlipwayError({
    code: kind.code,
    message: `${act}: ${kind.reason} (${host})`,
    ...(kind.hint === undefined ? {} : { hint: kind.hint }),
    data: { error: name, ...(transientErrors.has(name) ? { transient: true } : {}) },
    cause: thrown,
  })
}

function kindOf(name: string, text: string): Kind {
  const known = network[name]
  if (known !== undefined) return known
  if (name.startsWith('HPE_')) return { code: 'ERR_REGISTRY_ANSWER', reason: 'what it answers is not HTTP' }
  if (certificate.test(name)) {
    return {
      code: 'ERR_REGISTRY_CERTIFICATE',
      reason: `its certificate is not trusted: ${oneLine(text)}`,
      hint: 'trust its CA: SLIPWAY_EXTRA_CA_CERTS=file.pem',
    }
  }
  if (name === 'EPROTO' || name.startsWith('ERR_SSL_')) {
    return {
      code: 'ERR_REGISTRY_CERTIFICATE',
      reason: 'TLS handshake failed',
      hint: 'plain HTTP is spoken only to registries on this machine or configured as insecure',
    }
  }
  return { code: 'ERR_REGISTRY_UNREACHABLE', reason: oneLine(text) }
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

/** The failure in an answer; reads (a bounded part of) its body, which is then done. */
export async function answerFailure(
  act: string,
  answer: { readonly status: number; readonly body: Readable },
  facts: { readonly retryAfter?: string } = {},
): Promise<SlipwayError> {
  const text = await readSome(answer.body)
  const said = describeErrors(text)
  if (answer.status === 400 && text.includes('"DIGEST_INVALID"')) {
    return new SlipwayError({
      code: 'ERR_DIGEST_MISMATCH',
      message: `${act}: the registry refused the content: ${said}`,
      data: { status: 400 },
    })
  }
  return statusFailure(act, answer.status, { ...facts, ...(said === '' ? {} : { said }) })
}

/** The failure of a status code, with what the registry said about it. */
export function statusFailure(
  act: string,
  status: number,
  facts: { readonly said?: string; readonly retryAfter?: string } = {},
): SlipwayError {
  const kind = statuses[status] ?? {
    code: 'ERR_REGISTRY_ANSWER',
    reason: status >= 500 ? 'server error' : 'refused',
  }
  const said = facts.said === undefined || facts.said.toLowerCase() === kind.reason ? '' : `: ${facts.said}`
  const wait = facts.retryAfter === undefined ? '' : `; the registry asks to wait ${facts.retryAfter}`
  return new SlipwayError({
    code: kind.code,
    message: `${act}: ${status} ${kind.reason}${said}${wait}`,
    ...(kind.hint === undefined ? {} : { hint: kind.hint }),
    data: { status, ...(isTransientStatus(status) ? { transient: true } : {}) },
  })
}

/** An answer that breaks the protocol. */
export function badAnswer(act: string, why: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_REGISTRY_ANSWER', message: `${act}: ${why}` })
}

async function readSome(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of paced(body, 'read an error')) {
      chunks.push(chunk)
      bytes += chunk.byteLength
      if (bytes >= maxReadBytes) break
    }
  } catch {
    // The status is what counts; the explanation may be cut short.
    return Buffer.concat(chunks).toString('utf8')
  }
  return Buffer.concat(chunks).subarray(0, maxReadBytes).toString('utf8')
}

/** One line out of the error document of distribution-spec ("Error Codes") or of a token server. */
export function describeErrors(text: string): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Proxies answer in HTML, which helps nobody.
    return /^\s*</.test(text) ? '' : oneLine(text)
  }
  const document = value as {
    errors?: unknown
    error?: unknown
    message?: unknown
    details?: unknown
    error_description?: unknown
  } | null
  const errors: unknown[] = Array.isArray(document?.errors) ? document.errors.slice(0, 3) : []
  const said = errors.map((entry) => {
    const error = entry as { code?: unknown; message?: unknown } | null
    const message = typeof error?.message === 'string' ? error.message : ''
    return message || (typeof error?.code === 'string' ? error.code : '')
  })
  for (const member of [document?.error_description, document?.details, document?.message, document?.error]) {
    if (said.length === 0 && typeof member === 'string') said.push(member)
  }
  return oneLine(said.filter(Boolean).join('; '))
}

function oneLine(text: string): string {
  return text
    .replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, maxShown)
}
