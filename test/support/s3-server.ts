// A bucket in this process: it checks who asks (Signature Version 4) and what is sent before it believes either.
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collect } from '../../src/store/collect.ts'

export interface S3Server extends AsyncDisposable {
  readonly url: string
  readonly objects: Map<string, Buffer>
  /** Uploads in parts that have not ended, by their ids. */
  readonly uploads: Map<string, Upload>
  /** What was asked, as `PUT /bucket/key` with the names in the query behind it. */
  readonly asked: string[]
  /** How many answers to reading an object break off in the middle. */
  breaks: number
  /** How many writes are answered by 503. */
  busy: number
  /** After how many more parts writing one is refused. */
  partsLeft: number
  /** What ends an upload answers in place of doing it, with status 200. */
  fault?: string
}

interface Upload {
  readonly key: string
  readonly parts: Map<number, Buffer>
}

export const s3Keys = {
  accessKeyId: 'AKID',
  secretAccessKey: 'secret/key+',
  sessionToken: 'session',
} as const

export async function startS3(): Promise<S3Server> {
  const objects = new Map<string, Buffer>()
  const asked: string[] = []
  const uploads = new Map<string, Upload>()
  const state: Pick<S3Server, 'breaks' | 'busy' | 'partsLeft' | 'fault'> = {
    ...{ breaks: 0, busy: 0, partsLeft: Number.POSITIVE_INFINITY },
  }
  const server = createServer(async (request, response) => {
    const body = await collect(request)
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    const key = decodeURIComponent(pathname)
    asked.push([request.method, key, ...searchParams.keys()].join(' '))
    const end = (status: number, bytes: Buffer | string = '', headers = {}): void => {
      response.writeHead(status, { 'content-length': Buffer.byteLength(bytes), ...headers })
      response.end(request.method === 'HEAD' ? undefined : bytes)
    }
    if (!isSigned(request, body)) return end(403, '<Error><Code>SignatureDoesNotMatch</Code></Error>')
    if (searchParams.size > 0) {
      const wanted = { method: request.method ?? '', key, query: Object.fromEntries(searchParams), body }
      return end(...answerParts({ objects, uploads, state }, wanted))
    }
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
    uploads,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

type Answer = [status: number, text: string, headers?: Readonly<Record<string, string>>]

/** Requests about uploads in parts; lists give two entries at a time. */
function answerParts(
  { objects, uploads, state }: Pick<S3Server, 'objects' | 'uploads'> & { readonly state: Partial<S3Server> },
  { method, key, query, body }: { method: string; key: string; query: Record<string, string>; body: Buffer },
): Answer {
  const { uploadId = '', prefix, partNumber } = query
  const tagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`
  const bucket = key.split('/', 2).join('/')
  if (prefix !== undefined) {
    const found = [...uploads].filter(([, upload]) => upload.key.startsWith(`${bucket}/${prefix}`))
    const list = found.map(
      ([id, upload]) =>
        `<Upload><Key>${upload.key.slice(bucket.length + 1).replace(/&/g, '&amp;')}</Key><UploadId>${id}</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>`,
    )
    return [200, `<ListMultipartUploadsResult>${list.join('\n')}</ListMultipartUploadsResult>`]
  }
  if ('uploads' in query) {
    const id = `up+${uploads.size}/=`
    uploads.set(id, { key, parts: new Map() })
    return [200, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`]
  }
  const upload = uploads.get(uploadId)
  if (upload === undefined || upload.key !== key) return [404, '<Error><Code>NoSuchUpload</Code></Error>']
  if (method === 'PUT') {
    if ((state.busy ?? 0) > 0) {
      state.busy = (state.busy ?? 0) - 1
      return [503, 'SlowDown']
    }
    if ((state.partsLeft ?? 0) <= 0) return [400, '<Error><Code>Refused</Code></Error>']
    state.partsLeft = (state.partsLeft ?? 0) - 1
    upload.parts.set(Number(partNumber), body)
    return [200, '', { etag: tagOf(body) }]
  }
  const numbers = [...upload.parts.keys()].sort((a, b) => a - b)
  if (method === 'GET') {
    const rest = numbers.filter((number) => number > Number(query['part-number-marker']))
    const parts = rest.slice(0, 2).map((number) => {
      const bytes = upload.parts.get(number) ?? Buffer.alloc(0)
      return `<Part><PartNumber>${number}</PartNumber><ETag>${tagOf(bytes).replaceAll('"', '&quot;')}</ETag><Size>${bytes.length}</Size></Part>`
    })
    const more = `<IsTruncated>${rest.length > 2}</IsTruncated><NextPartNumberMarker>${rest[1] ?? ''}</NextPartNumberMarker>`
    return [200, `<ListPartsResult>${more}${parts.join('')}</ListPartsResult>`]
  }
  const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)]
  const bytes = named.map(([, number]) => upload.parts.get(Number(number)) ?? Buffer.alloc(0))
  const isRight = named.every(([, , tag], at) => tag === tagOf(bytes[at] ?? Buffer.alloc(0)))
  const isSmall = bytes.slice(0, -1).some((part) => part.length < 5 << 20)
  if (!isRight || isSmall) return [400, '<Error><Code>InvalidPart</Code></Error>']
  if (state.fault !== undefined) return [200, `<Error><Message>${state.fault}</Message></Error>`]
  uploads.delete(uploadId)
  objects.set(key, Buffer.concat(bytes))
  return [200, '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>']
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
