// Signature Version 4 of AWS, as much of it as requests for objects need.
import { createHash, createHmac } from 'node:crypto'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface Signed {
  readonly method: string
  readonly url: URL
  readonly region: string
  readonly credentials: AwsCredentials
  /** Hex sha256 of the body. */
  readonly payload: string
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** The headers of a request, with those that sign it. */
export function signedHeaders(request: Signed): Readonly<Record<string, string>> {
  const { method, url, region, credentials, payload, nowMs } = request
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const headers: Record<string, string> = {
    ...request.headers,
    host: url.host,
    'x-amz-content-sha256': payload,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  }
  const names = Object.keys(headers).sort()
  const canonical = [
    method,
    url.pathname,
    queryText(Object.fromEntries(url.searchParams)),
    ...names.map((name) => `${name}:${headers[name]?.trim()}`),
    '',
    names.join(';'),
    payload,
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = scope.split('/').reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`)
  const signature = hmac(key, text).toString('hex')
  const parts = [`Credential=${accessKeyId}/${scope}`, `SignedHeaders=${names.join(';')}`]
  const { host: _host, ...rest } = headers
  return { ...rest, authorization: `AWS4-HMAC-SHA256 ${[...parts, `Signature=${signature}`].join(', ')}` }
}

/** The path of an object, each part encoded as AWS does. */
export function objectPath(...parts: readonly string[]): string {
  return parts.map((part) => `/${part.split('/').map(encode).join('/')}`).join('')
}

/** A query as AWS signs it: sorted, each part encoded likewise. */
export function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .sort()
    .join('&')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
