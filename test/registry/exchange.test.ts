import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { useRegistries } from './open-test-registry.ts'
import { sampleImage, seedRegistry } from './sample-image.ts'

const run = promisify(execFile)
const use = useRegistries()
const image = { registry: '', repository: 'app' }

let directory: string
let certificate: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-tls-'))
  certificate = join(directory, 'cert.pem')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-keyout',
    join(directory, 'key.pem'),
    '-out',
    certificate,
    '-days',
    '2',
    ...subject,
  ])
})
afterAll(() => rm(directory, { recursive: true }))

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})
async function listen(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Something that speaks TLS in front of a test registry. */
async function withTls(target: string): Promise<string> {
  const [key, cert] = await Promise.all([readFile(join(directory, 'key.pem')), readFile(certificate)])
  return listen(
    createTlsServer({ key, cert }, (request, response) => {
      const [hostname, port] = target.split(':')
      const { method, url: path, headers } = request
      const onward = httpRequest({ hostname, port, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onward)
    }),
  )
}

async function seeded() {
  const server = await use.server()
  const sample = sampleImage()
  seedRegistry(server, 'app', sample, '1')
  return { server, sample }
}

describe('TLS', () => {
  it('is used on this machine too where the registry speaks it, and its certificate checked', async () => {
    const { server } = await seeded()
    const host = await withTls(server.host)
    const fetching = use
      .client()
      .repository({ ...image, registry: host })
      .resolve('1')
    await expect(fetching).rejects.toMatchObject({
      code: 'ERR_REGISTRY_CERTIFICATE',
      message: expect.stringContaining('certificate is not trusted'),
      hint: expect.stringContaining('trust its CA'),
    })
    expect(server.requests).toEqual([])
  })

  it('trusts additional CA files', async () => {
    const { server, sample } = await seeded()
    const host = await withTls(server.host)
    const repository = use.client({ caFiles: [certificate] }).repository({ ...image, registry: host })
    expect((await repository.resolve('1')).descriptor).toEqual(sample.manifest)
  })

  it('accepts any certificate of a host that is configured as insecure', async () => {
    const { server, sample } = await seeded()
    const host = await withTls(server.host)
    const repository = use.client({ insecure: [host] }).repository({ ...image, registry: host })
    expect((await repository.resolve('1')).descriptor).toEqual(sample.manifest)
    await expect(
      use
        .client({ insecure: ['other'] })
        .repository({ ...image, registry: host })
        .resolve('1'),
    ).rejects.toThrow('certificate')
  })

  it('names a CA file that is none', async () => {
    const { server } = await seeded()
    const bad = join(directory, 'bad.pem')
    await writeFile(bad, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    for (const path of [bad, join(directory, 'absent.pem')]) {
      const repository = use.client({ caFiles: [path] }).repository({ ...image, registry: server.host })
      await expect(repository.resolve('1')).rejects.toMatchObject({
        code: 'ERR_CA_INVALID',
        message: expect.stringContaining(path),
      })
    }
  })
})

describe('proxies', () => {
  /** A proxy that sends everything to one place and remembers what it was asked. */
  async function startProxy(target: string) {
    const asked: string[] = []
    const headers: IncomingMessage['headers'][] = []
    const server = createHttpServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      headers.push(request.headers)
      const url = new URL(request.url ?? '')
      const [hostname, port] = target.split(':')
      const onward = httpRequest({ hostname, port, method: request.method, path: url.pathname }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onward)
    })
    server.on('connect', (request, socket) => {
      asked.push(`CONNECT ${request.url}`)
      headers.push(request.headers)
      const [hostname, port] = target.split(':')
      const upstream = connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(socket).pipe(upstream)
      })
      for (const end of [upstream, socket]) end.on('error', () => upstream.destroy())
    })
    return { host: await listen(server), asked, headers }
  }

  it('carry TLS through a tunnel, with their password', async () => {
    const { server, sample } = await seeded()
    const proxy = await startProxy(await withTls(server.host))
    const environment = { HTTPS_PROXY: `http://me:pw@${proxy.host}` }
    const repository = use
      .client({ environment, insecure: ['registry.example'] })
      .repository({ ...image, registry: 'registry.example' })
    expect((await repository.resolve('1')).descriptor).toEqual(sample.manifest)
    expect(proxy.asked[0]).toBe('CONNECT registry.example:443')
    expect(proxy.headers[0]?.['proxy-authorization']).toBe(`Basic ${Buffer.from('me:pw').toString('base64')}`)
    expect(server.requests.every((r) => r.headers['proxy-authorization'] === undefined)).toBe(true)
  })

  it('get plain HTTP as it is', async () => {
    const { server, sample } = await seeded()
    const proxy = await startProxy(server.host)
    // Its TLS probe goes through a proxy that connects to a server without TLS.
    const environment = { http_proxy: `http://${proxy.host}`, https_proxy: proxy.host }
    const repository = use
      .client({ environment, insecure: ['plain.example:5000'] })
      .repository({ ...image, registry: 'plain.example:5000' })
    expect((await repository.resolve('1')).descriptor).toEqual(sample.manifest)
    expect(proxy.asked).toContain('GET http://plain.example:5000/v2/app/manifests/1')
  })

  it('are not asked for this machine nor for names in no_proxy', async () => {
    const { server, sample } = await seeded()
    const proxy = await startProxy('127.0.0.1:1')
    const environment = { http_proxy: proxy.host, https_proxy: proxy.host, no_proxy: 'direct.invalid' }
    const client = use.client({ environment })
    expect((await client.repository({ ...image, registry: server.host }).resolve('1')).descriptor).toEqual(
      sample.manifest,
    )
    const direct = client.repository({ ...image, registry: 'direct.invalid' }).resolve('1')
    await expect(direct).rejects.toMatchObject({ code: 'ERR_REGISTRY_UNREACHABLE' })
    expect(proxy.asked).toEqual([])
  })

  it.each<[string, (socket: Duplex) => void, RegExp, RegExp]>([
    ['hang up', (socket) => socket.destroy(), /: it closed the connection$/, /no_proxy/],
    ['want a login', (socket) => socket.end('HTTP/1.1 407 X\r\n\r\n'), /: it answered 407$/, /user:password/],
    ['refuse', (socket) => socket.end('HTTP/1.1 403 X\r\n\r\n'), /: it answered 403$/, /no_proxy/],
  ])('that %s are named, and not asked for ever', async (_what, answer, message, hint) => {
    let asked = 0
    const server = createHttpServer().on('connect', (_request, socket) => {
      asked++
      answer(socket)
    })
    const client = use.client({ environment: { https_proxy: `http://${await listen(server)}` } })
    const lookup = client.repository({ ...image, registry: 'registry.example' }).resolve('1')
    await expect(lookup).rejects.toMatchObject({
      code: 'ERR_PROXY_FAILED',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    })
    expect(asked).toBeLessThan(20)
  })

  it('that are down are named', async () => {
    const client = use.client({ environment: { https_proxy: 'http://127.0.0.1:1' } })
    const lookup = client.repository({ ...image, registry: 'registry.example' }).resolve('1')
    await expect(lookup).rejects.toMatchObject({
      message: expect.stringMatching(
        /^ask proxy 127\.0\.0\.1:1 for a tunnel to registry\.example:443: connection refused/,
      ),
    })
  })

  it('with a bad address are named', async () => {
    const { server } = await seeded()
    const client = use.client({ environment: { HTTPS_PROXY: 'http://[bad' } })
    await expect(client.repository({ ...image, registry: server.host }).resolve('1')).rejects.toMatchObject({
      code: 'ERR_PROXY_INVALID',
    })
  })
})
