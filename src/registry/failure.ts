// What a registry or the network says, as one line for a person and a stable code for a program.
import type { Readable } from 'node:stream'
import { oneLine, SlipwayError } from '../core/error.ts'
import { type ConnectionFailure, connectionFailure, isTls } from './connection-failure.ts'
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

/** What to do about errors, by their code. */
const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is the registry running, and is the port right?',
  ENOTFOUND: "check the registry's name and the DNS set-up",
  EAI_AGAIN: 'check the network and the DNS set-up',
}

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
  const failure = connectionFailure('the registry', thrown)
  if (failure === undefined) return thrown
  const { error } = failure
  const { code, reason, hint } = kindOf(failure)
  return new SlipwayError({
    code,
    message: `${act}: ${reason} (${host})`,
    ...(hint === undefined ? {} : { hint }),
    data: { error, ...(transientErrors.has(error) ? { transient: true } : {}) },
    cause: thrown,
  })
}

function kindOf({ kind, reason, error, hint }: ConnectionFailure): Kind {
  if (error === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') {
    return { code: 'ERR_DIGEST_MISMATCH', reason: 'the content does not have the size it should have' }
  }
  const own = isTls(error)
    ? 'plain HTTP is spoken only to registries on this machine or configured as insecure'
    : (hint ?? hints[error])
  return { code: `ERR_REGISTRY_${kind}`, reason, ...(own === undefined ? {} : { hint: own }) }
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
    return /^\s*</.test(text) ? '' : briefly(text)
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
  return briefly(said.filter(Boolean).join('; '))
}

function briefly(text: string): string {
  return oneLine(text.replace(/\s+/g, ' ')).trim().slice(0, maxShown)
}
