// A bucket in this process: it checks who asks (Signature Version 4) and what is sent before it believes either.
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collect } from '../../src/store/collect.ts'

export interface S3Server extends AsyncDisposable {
  readonly url: string
  readonly objects: Map<string, Buffer>
  /** What was asked, as `PUT /bucket/key`. */
  readonly asked: string[]
  /** How many answers to reading an object break off in the middle. */
  breaks: number
  /** How many writes are answered by 503. */
  busy: number
}

export const s3Keys = {
  accessKeyId: 'AKID',
  secretAccessKey: 'secret/key+',
  sessionToken: 'session',
} as const

export async function startS3(): Promise<S3Server> {
  const objects = new Map<string, Buffer>()
  const asked: string[] = []
  const state = { breaks: 0, busy: 0 }
  const server = createServer(async (request, response) => {
    const body = await collect(request)
    const key = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname)
    asked.push(`${request.method} ${key}`)
    const end = (status: number, bytes: Buffer | string = '', headers = {}): void => {
      response.writeHead(status, { 'content-length': Buffer.byteLength(bytes), ...headers })
      response.end(request.method === 'HEAD' ? undefined : bytes)
    }
    if (!isSigned(request, body)) return end(403, '<Error><Code>SignatureDoesNotMatch</Code></Error>')
    const found = objects.get(key)
    if (request.method === 'PUT') {
      if (state.busy-- > 0) return end(503, 'SlowDown')
      const copied = request.headers['x-amz-copy-source']
      objects.set(
        key,
        copied === undefined ? body : (objects.get(decodeURIComponent(String(copied))) ?? body),
      )
      return end(200)
    }
    if (found === undefined) return end(404, '<Error><Code>NoSuchKey</Code></Error>')
    const headers = { 'last-modified': 'Wed, 01 Jan 2020 00:00:00 GMT' }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (request.method === 'GET' && state.breaks-- > 0) {
      response.writeHead(from === 0 ? 200 : 206, { 'content-length': found.length - from })
      response.write(found.subarray(from, from + Math.ceil((found.length - from) / 2)), () =>
        response.destroy(),
      )
      return
    }
    if (request.method === 'HEAD') {
      response.writeHead(200, { ...headers, 'content-length': found.length })
      return response.end()
    }
    end(from === 0 ? 200 : 206, found.subarray(from), headers)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function isSigned({ method, url = '', headers }: IncomingMessage, body: Buffer): boolean {
  const [, scope = '', names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=AKID\/([^,]+), SignedHeaders=([^,]+), Signature=(\w{64})$/.exec(
      headers.authorization ?? '',
    ) ?? []
  const payload = createHash('sha256').update(body).digest('hex')
  const [path = '', query = ''] = url.split('?')
  if (headers['x-amz-content-sha256'] !== payload || headers['x-amz-security-token'] !== 'session')
    return false
  const signed = names.split(';')
  if (!['host', 'x-amz-content-sha256', 'x-amz-date'].every((name) => signed.includes(name))) return false
  const lines = signed.map((name) => `${name}:${headers[name]}\n`).join('')
  const canonical = [method, path, query, lines, names, payload].join('\n')
  const text = `AWS4-HMAC-SHA256\n${headers['x-amz-date']}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
  const hmac = (key: Buffer | string, data: string): Buffer => createHmac('sha256', key).update(data).digest()
  return (
    hmac(scope.split('/').reduce<Buffer | string>(hmac, 'AWS4secret/key+'), text).toString('hex') ===
    signature
  )
}
