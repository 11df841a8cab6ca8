// Failures of the world (network, disk, kernel, other programs) as one class with a stable code.
// Mistakes of the user in a Dockerfile are values, not exceptions: see diagnostic.ts.

export interface ErrorDetail {
  /** Stable, for programs: `ERR_<NOUN>_<STATE>`. */
  readonly code: string
  /** One line for a person: the act and the object first (`fetch manifest x/y:1: 401 unauthorized`). */
  readonly message: string
  /** What the person can do about it, one line. */
  readonly hint?: string
  /** Facts a program may want (exit code, expected/found digest); JSON, never secret. */
  readonly data?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** The JSON form of a failure, as it appears in events and `--progress=rawjson`. */
export interface ErrorJson {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** A failure that is not slipway's fault; printed as one line plus its hint, never with a stack. */
export class SlipwayError extends Error {
  override readonly name = 'SlipwayError'
  readonly code: string
  readonly hint: string | undefined
  readonly data: Readonly<Record<string, unknown>> | undefined

  constructor(detail: ErrorDetail) {
    super(oneLine(detail.message), detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = detail.code
    this.hint = detail.hint === undefined ? undefined : oneLine(detail.hint)
    this.data = detail.data
  }

  toJSON(): ErrorJson {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.data === undefined ? {} : { data: this.data }),
    }
  }
}

/** Stops the program on a broken assumption of its own: a bug, never a user's or the world's fault. */
export function invariant(condition: unknown, text: string): asserts condition {
  if (!condition) throw new Error(`bug in slipway: ${text}`)
}

/** For the default arm of a switch that must stay exhaustive. */
export function unreachable(value: never): never {
  throw new Error(`bug in slipway: unexpected ${JSON.stringify(value)}`)
}

/** The JSON form of anything thrown; a bug keeps its text under ERR_INTERNAL. */
export function errorJson(failure: unknown): ErrorJson {
  const thrown = firstFailure(failure)
  if (thrown instanceof SlipwayError) return thrown.toJSON()
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return { code: 'ERR_INTERNAL', message: oneLine(message) }
}

/** What failed first, where clearing up behind it (`using`) has failed, too. */
export function firstFailure(thrown: unknown): unknown {
  let failure = thrown
  while (failure instanceof Error && failure.name === 'SuppressedError') {
    failure = (failure as Error & { readonly suppressed?: unknown }).suppressed
  }
  return failure
}

/** The errno name (`ENOENT`) of a failed system call, if `thrown` is one. */
export function errnoOf(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null)?.code
  if (typeof code !== 'string') return undefined
  if (/^E[A-Z0-9]+$/.test(code)) return code
  const number = /^Unknown system error -(\d+)$/.exec(code)?.[1]
  return number === undefined ? undefined : (namelessErrors[number] ?? 'EUNKNOWN')
}

/** What Linux's file systems say and Node has no names for. */
const namelessErrors: Readonly<Record<string, string>> = {
  '116': 'ESTALE',
  '117': 'EUCLEAN',
  '122': 'EDQUOT',
}

/** `text` fit to be shown: on one line, without control characters (names and answers of others may hold any), redacted. */
export function oneLine(text: string): string {
  return redact(text).replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
}

/** The user info of URLs, as `$2` behind the scheme `$1`; the user of an SSH address is none unless a password follows. */
export const userInfo = /\b(?!ssh:\/\/[\w.-]+@[^\s/@]*(?:[\s/]|$))([a-z][a-z0-9+.-]*:\/\/)([^\s/]+)@/gi

/**
 * Removes user info and signed query parameters from every URL in `text`, and bearer/basic credentials.
 * The user of an SSH address without a password is no secret: `git@` is part of where it leads.
 */
export function redact(text: string): string {
  // Every step's title comes by here, and hardly one has any of it.
  if (!/:\/\/|[?&]|Bearer|Basic/i.test(text)) return text
  return text
    .replace(userInfo, '$1xxxxx@')
    .replace(/([?&](?:X-Amz-[A-Za-z-]+|sig|signature|token|access_token|se|sp|sv)=)[^&\s"']+/gi, '$1xxxxx')
    .replace(/\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}/gi, '$1 xxxxx')
}
