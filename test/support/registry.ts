// A registry inside the test process (node:http only) with switches for everything that goes wrong with real ones.
import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'

export interface SeenRequest {
  readonly server: 'registry' | 'token' | 'elsewhere'
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  /** Of token requests. */
  readonly body?: string
}

/** What happens to a request instead of its answer; body faults apply to the answer's body. */
export type Fault =
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string
    }
  | { readonly kind: 'reset' }
  | { readonly kind: 'hang' }
  /** The connection breaks after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly bytes: number }
  /** The body ends early but properly. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** So many bytes, then silence. */
  | { readonly kind: 'stall'; readonly bytes: number }
  /** Other bytes of the same length. */
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'slow'; readonly chunkBytes: number; readonly delayMs: number }
  /** The request's body is read up to so many bytes, which the upload keeps, then the connection breaks. */
  | { readonly kind: 'cut-upload'; readonly bytes: number }
  | { readonly kind: 'headers'; readonly headers: Record<string, string | undefined> }

export interface TestRegistryOptions {
  readonly auth?: 'basic' | 'bearer'
  readonly username?: string
  readonly password?: string
  readonly identityToken?: string
  /** Anonymous tokens and no credentials needed, as on Docker Hub for public images. */
  readonly isPublic?: boolean
  /** Seconds. */
  readonly tokenLife?: number
  readonly refuseMount?: boolean
  /** Blob reads are answered with a redirect to another origin. */
  readonly redirectBlobs?: boolean
  readonly noRange?: boolean
  /** Instead of the token server's own address. */
  readonly realm?: string
}

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string
  readonly requests: SeenRequest[]
  readonly blobs: Map<string, Buffer>
  /** By `repository@digest` and `repository:tag`. */
  readonly manifests: Map<string, { readonly type: string; readonly bytes: Buffer }>
  /** Which repository holds which blobs, `repository@digest`. */
  readonly links: Set<string>
  /** The next `times` requests whose `METHOD url` matches meet `fault`. */
  fail(pattern: RegExp, fault: Fault, times?: number): void
  addBlob(repository: string, bytes: Buffer): string
  addManifest(repository: string, tag: string | undefined, type: string, bytes: Buffer): string
  /** Tokens given out so far stop working. */
  revokeTokens(): void
  count(pattern: RegExp): number
}

/** Starts a registry on 127.0.0.1 with a token server and a second origin for redirects. */
export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const { username = 'user', password = 'secret' } = options
  const requests: SeenRequest[] = []
  const blobs = new Map<string, Buffer>()
  const manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>()
  const links = new Set<string>()
  const uploads = new Map<string, Buffer[]>()
  const tokens = new Map<string, { readonly scopes: readonly string[]; readonly until: number }>()
  const faults: { readonly pattern: RegExp; readonly fault: Fault; left: number }[] = []

  const takeFault = (request: IncomingMessage): Fault | undefined => {
    const line = `${request.method} ${request.url}`
    const found = faults.find((f) => f.left > 0 && f.pattern.test(line))
    if (found !== undefined) found.left--
    return found?.fault
  }
  const see = (server: SeenRequest['server'], request: IncomingMessage, body?: string): void => {
    requests.push({
      server,
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      ...(body === undefined ? {} : { body }),
    })
  }

  const token = await listen(async (request, response) => {
    const body = await readAll(request)
    see('token', request, body.toString())
    const fault = takeFault(request)
    if (fault !== undefined && (await misbehave(fault, request, response))) return
    const url = new URL(request.url ?? '/', 'http://x')
    const form = new URLSearchParams(body.toString())
    const isRefresh = request.method === 'POST' && form.get('refresh_token') === options.identityToken
    const isUser = request.headers.authorization === basicHeader(username, password)
    const isAnonymous = request.headers.authorization === undefined && request.method === 'GET'
    if (!isRefresh && !isUser && !(isAnonymous && options.isPublic)) {
      answer(response, 401, JSON.stringify({ details: 'incorrect username or password' }))
      return
    }
    const scopes =
      request.method === 'POST' ? (form.get('scope') ?? '').split(' ') : url.searchParams.getAll('scope')
    const text = `tok-${randomUUID()}`
    tokens.set(text, { scopes, until: Date.now() + (options.tokenLife ?? 300) * 1000 })
    const bytes = Buffer.from(JSON.stringify({ token: text, expires_in: options.tokenLife ?? 300 }))
    await sendContent(request, response, { bytes, type: 'application/json', noRange: true }, fault)
  })

  const elsewhere = await listen(async (request, response) => {
    see('elsewhere', request)
    const fault = takeFault(request)
    const bytes = blobs.get((request.url ?? '').slice(1).split('?')[0] ?? '')
    if (bytes === undefined) return answer(response, 404, '')
    await sendContent(request, response, { bytes, type: 'application/octet-stream', noRange: false }, fault)
  })

  const main = await listen(async (request, response) => {
    see('registry', request)
    const fault = takeFault(request)
    if (fault !== undefined && (await misbehave(fault, request, response))) return
    if (!isAllowed(request)) return challenge(request, response)
    const url = new URL(request.url ?? '/', 'http://x')
    if (url.pathname === '/v2/') return answer(response, 200, '{}')
    const parts = /^\/v2\/(.+)\/(manifests|blobs)\/(.*)$/.exec(url.pathname)
    const [, repository = '', kind, rest = ''] = parts ?? []
    if (kind === 'manifests') return await onManifest(repository, rest, request, response, fault)
    if (kind === 'blobs' && rest.startsWith('uploads/'))
      return await onUpload(repository, url, request, response, fault)
    if (kind === 'blobs') return await onBlob(repository, rest, request, response, fault)
    answer(response, 404, errors('NOT_FOUND', 'no such endpoint'))
  })

  const isAllowed = (request: IncomingMessage): boolean => {
    if (options.auth === undefined) return true
    const header = request.headers.authorization ?? ''
    if (options.auth === 'basic') return header === basicHeader(username, password)
    const held = tokens.get(header.replace(/^Bearer /, ''))
    if (held === undefined || held.until < Date.now()) return false
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(request.url ?? '')?.[1]
    if (repository === undefined) return true
    const isWrite = request.method !== 'GET' && request.method !== 'HEAD'
    return held.scopes.some(
      (scope) => scope.startsWith(`repository:${repository}:`) && (!isWrite || scope.includes('push')),
    )
  }
  const challenge = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume()
    const realm = options.realm ?? `http://${token.host}/token`
    const value = options.auth === 'basic' ? 'Basic realm="test"' : `Bearer realm="${realm}",service="test"`
    answer(response, 401, errors('UNAUTHORIZED', 'authentication required'), { 'www-authenticate': value })
  }

  const onManifest = async (
    repository: string,
    reference: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> => {
    const key = `${repository}${reference.includes(':') ? '@' : ':'}${reference}`
    if (request.method === 'PUT') {
      const bytes = await readAll(request)
      const digest = digestText(bytes)
      const entry = { type: request.headers['content-type'] ?? '', bytes }
      manifests.set(`${repository}@${digest}`, entry)
      manifests.set(key, entry)
      return answer(response, 201, '', { 'docker-content-digest': digest, ...changed(fault) })
    }
    const found = manifests.get(key)
    if (found === undefined) return answer(response, 404, errors('MANIFEST_UNKNOWN', 'manifest unknown'))
    const headers = { 'docker-content-digest': digestText(found.bytes), ...changed(fault) }
    await sendContent(request, response, { ...found, noRange: true, headers }, fault)
  }

  const onBlob = async (
    repository: string,
    digest: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> => {
    const bytes = links.has(`${repository}@${digest}`) ? blobs.get(digest) : undefined
    if (bytes === undefined) return answer(response, 404, errors('BLOB_UNKNOWN', 'blob unknown to registry'))
    if (options.redirectBlobs && request.method === 'GET') {
      return answer(response, 307, '', {
        location: `http://${elsewhere.host}/${digest}?X-Amz-Signature=abcdef`,
      })
    }
    const content = { bytes, type: 'application/octet-stream', noRange: options.noRange ?? false }
    await sendContent(request, response, content, fault)
  }

  const onUpload = async (
    repository: string,
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> => {
    const id = url.pathname.split('/').at(-1) ?? ''
    const location = (upload: string): string => `/v2/${repository}/blobs/uploads/${upload}?state=s%2F1`
    if (request.method === 'POST') {
      const mount = url.searchParams.get('mount')
      const from = url.searchParams.get('from')
      if (mount !== null && !options.refuseMount && links.has(`${from}@${mount}`)) {
        links.add(`${repository}@${mount}`)
        return answer(response, 201, '', { location: `/v2/${repository}/blobs/${mount}` })
      }
      const started = randomUUID()
      uploads.set(started, [])
      return answer(response, 202, '', { location: location(started), range: '0-0' })
    }
    const chunks = uploads.get(id)
    if (chunks === undefined || url.searchParams.get('state') !== 's/1') {
      request.resume()
      return answer(response, 404, errors('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry'))
    }
    const size = (): number => chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    const range = (): string => `0-${Math.max(0, size() - 1)}`
    if (request.method === 'GET') return answer(response, 204, '', { location: location(id), range: range() })
    if (fault?.kind === 'cut-upload') {
      for await (const chunk of request) {
        chunks.push((chunk as Buffer).subarray(0, fault.bytes - size()))
        if (size() >= fault.bytes) break
      }
      request.socket.resetAndDestroy()
      return
    }
    const start = /^(\d+)-/.exec(request.headers['content-range'] ?? '')?.[1]
    if (start !== undefined && Number(start) !== size()) return answer(response, 416, '')
    chunks.push(await readAll(request))
    if (request.method === 'PATCH')
      return answer(response, 202, '', { location: location(id), range: range() })
    const bytes = Buffer.concat(chunks)
    const digest = digestText(bytes)
    if (digest !== url.searchParams.get('digest')) {
      return answer(response, 400, errors('DIGEST_INVALID', 'provided digest did not match uploaded content'))
    }
    uploads.delete(id)
    blobs.set(digest, bytes)
    links.add(`${repository}@${digest}`)
    answer(response, 201, '', { 'docker-content-digest': digest })
  }

  return {
    host: main.host,
    requests,
    blobs,
    manifests,
    links,
    fail: (pattern, fault, times = 1) => {
      faults.push({ pattern, fault, left: times })
    },
    addBlob(repository, bytes) {
      const digest = digestText(bytes)
      blobs.set(digest, bytes)
      links.add(`${repository}@${digest}`)
      return digest
    },
    addManifest(repository, tag, type, bytes) {
      const digest = digestText(bytes)
      manifests.set(`${repository}@${digest}`, { type, bytes })
      if (tag !== undefined) manifests.set(`${repository}:${tag}`, { type, bytes })
      return digest
    },
    revokeTokens: () => tokens.clear(),
    count: (pattern) => requests.filter((r) => pattern.test(`${r.method} ${r.url}`)).length,
    async [Symbol.asyncDispose]() {
      await Promise.all([main.close(), token.close(), elsewhere.close()])
    },
  }
}

export function digestText(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function errors(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message, detail: null }] })
}

function changed(fault: Fault | undefined): Record<string, string | undefined> {
  return fault?.kind === 'headers' ? fault.headers : {}
}

function answer(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string | undefined> = {},
): void {
  response.statusCode = status
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) response.setHeader(name, value)
  if (status !== 204) response.setHeader('content-length', Buffer.byteLength(body))
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/** Faults that replace the whole answer; false for those that only change its body. */
async function misbehave(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (fault.kind === 'status') {
    request.resume()
    answer(response, fault.status, fault.body ?? '', fault.headers)
    return true
  }
  if (fault.kind === 'reset') request.socket.resetAndDestroy()
  return fault.kind === 'reset' || fault.kind === 'hang'
}

async function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  content: {
    readonly bytes: Buffer
    readonly type: string
    readonly noRange: boolean
    readonly headers?: Record<string, string | undefined>
  },
  fault: Fault | undefined,
): Promise<void> {
  let bytes = content.bytes
  if (fault?.kind === 'corrupt') bytes = Buffer.alloc(bytes.byteLength, 0x58)
  const start = content.noRange ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]
  const headers: Record<string, string | undefined> = { 'content-type': content.type, ...content.headers }
  if (start !== undefined) {
    headers['content-range'] = `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}`
    bytes = bytes.subarray(Number(start))
  }
  const end = fault?.kind === 'truncate' ? fault.bytes : bytes.byteLength
  headers['content-length'] = String(end)
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) response.setHeader(name, value)
  response.statusCode = start === undefined ? 200 : 206
  if (request.method === 'HEAD') {
    response.end()
  } else if (fault?.kind === 'cut' || fault?.kind === 'stall') {
    response.write(bytes.subarray(0, fault.bytes))
    // The bytes must have left before the connection breaks, or the client sees nothing of them.
    await setTimeout(30)
    if (fault.kind === 'cut') response.socket?.resetAndDestroy()
  } else if (fault?.kind === 'slow') {
    for (let at = 0; at < end && !response.destroyed; at += fault.chunkBytes) {
      response.write(bytes.subarray(at, Math.min(end, at + fault.chunkBytes)))
      await setTimeout(fault.delayMs)
    }
    response.end()
  } else {
    response.end(bytes.subarray(0, end))
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<{ readonly host: string; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    // A client that goes away in the middle is part of the tests.
    request.on('error', () => undefined)
    handle(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    host: `127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
