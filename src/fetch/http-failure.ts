// What the web says, as one line for a person and a stable code for a program.
import { SlipwayError } from '../core/error.ts'
import { connectionFailure, isTls } from '../registry/connection-failure.ts'
import { isTransientStatus } from '../registry/failure.ts'

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

const transient = new Set(['ERR_HTTP_INTERRUPTED', 'ERR_HTTP_TIMEOUT', 'ERR_HTTP_BUSY'])

/** Whether trying the same again may help. */
export function isTransientFailure(thrown: unknown): boolean {
  if (!(thrown instanceof SlipwayError)) return false
  return transient.has(thrown.code) || thrown.data?.error === 'EAI_AGAIN' || thrown.data?.transient === true
}

/** The failure of a connection; failures that are ours, and aborts, pass unchanged. */
export function networkFailure(act: string, thrown: unknown): unknown {
  if (thrown instanceof SlipwayError) return thrown
  const failure = connectionFailure('the server', thrown)
  if (failure === undefined) return thrown
  const { kind, reason, error } = failure
  const hint = isTls(error) ? 'is it an http:// address?' : (failure.hint ?? hints[error])
  return new SlipwayError({
    code: `ERR_HTTP_${kind}`,
    message: `${act}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
    data: { error },
    cause: thrown,
  })
}

const hints: Readonly<Record<string, string>> = { ENOTFOUND: 'check the name and the DNS set-up' }

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
