// The fetcher against a real server and a real store: what is sent again, what is not, and what goes wrong.
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { type HttpFetcher, type HttpFetcherOptions, openHttpFetcher } from '../../src/fetch/http.ts'
import { type Exchange, openExchange } from '../../src/registry/exchange.ts'
import { openContentStore } from '../../src/store/layout-store.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { testContext } from '../ops/support/context.ts'
import { file, type WebServer, webServer } from '../support/web-server.ts'
import { writeHint } from '../support/write-hint.ts'

const old = 'Sun, 06 Nov 1994 08:49:37 GMT'
let root: string
let server: WebServer
let store: ContentStore
let exchange: Exchange

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'slipway-http-'))
  store = await openContentStore(join(root, 'store'), openNative(resolve(import.meta.dirname, '../../dist')))
  exchange = openExchange({ environment: {}, timeouts: { headersMs: 300, idleMs: 300 } })
  server = await webServer()
})

afterEach(async () => {
  await exchange.close()
  await server[Symbol.asyncDispose]()
  rmSync(root, { recursive: true, force: true })
})

/** A fetcher as a new build has it. */
function fetcher(change: Partial<HttpFetcherOptions> = {}): HttpFetcher {
  return openHttpFetcher({
    exchange,
    store,
    directory: join(root, 'http'),
    writeHint,
    secret: async () => undefined,
    retry: { tries: 2, baseMs: 1 },
    ...change,
  })
}

const get = (path: string, change?: Partial<HttpFetcherOptions>) =>
  fetcher(change).resolve(server.url + path, 'step', testContext())

describe('files of the web', () => {
  it('are stored under the digest of their content, with what the server says of them', async () => {
    const disposition = 'attachment; filename="../named.txt"'
    server.handlers.set('/f', file('hello', { 'last-modified': old, 'content-disposition': disposition }))
    const found = await get('/f')
    const digest = digestOf('hello')
    expect(found).toEqual({ digest, size: 5, filename: 'named.txt', modified: 784_111_777 })
    expect(readFileSync(store.path(digest), 'utf8')).toBe('hello')
  })

  it('are asked for once a build', async () => {
    server.handlers.set('/f', file('hello'))
    const one = fetcher()
    await Promise.all([1, 2].map(() => one.resolve(`${server.url}/f`, 'step', testContext())))
    await one.resolve(`${server.url}/f`, 'step', testContext())
    expect(server.log).toEqual(['GET /f 200'])
  })

  it.each([
    ['their tag', { etag: '"1"' }],
    ['a weak tag', { etag: 'W/"1"' }],
    ['their time, when it is old enough to be trusted', { 'last-modified': old }],
  ])('are not sent again while %s is the same', async (_, headers) => {
    server.handlers.set('/f', file('hello', headers))
    const first = await get('/f')
    expect(await get('/f')).toEqual(first)
    expect(server.log).toEqual(['GET /f 200', 'GET /f 304'])
  })

  it('are not read again from a server that ignores the condition but repeats the tag', async () => {
    let sent = 0
    server.handlers.set('/f', (_, response) => {
      sent++
      response.writeHead(200, { etag: '"1"' }).end(`content ${sent}`)
    })
    const first = await get('/f')
    expect(await get('/f')).toEqual(first)
    expect(sent).toBe(2)
  })

  it('are sent again when the time is too near, the tag another, or the content gone', async () => {
    const now = new Date().toUTCString()
    server.handlers.set('/near', file('a', { 'last-modified': now }))
    await get('/near')
    server.handlers.set('/near', file('b', { 'last-modified': now }))
    expect(await get('/near')).toMatchObject({ digest: digestOf('b') })
    server.handlers.set('/f', file('one', { etag: '"1"' }))
    const first = await get('/f')
    server.handlers.set('/f', file('two', { etag: '"2"' }))
    expect(await get('/f')).toMatchObject({ digest: digestOf('two') })
    server.handlers.set('/f', file('one', { etag: '"2"' }))
    rmSync(store.path(digestOf('two')), { force: true })
    expect(await get('/f')).toEqual(first)
  })

  it('are sent again when the record of them is damaged', async () => {
    server.handlers.set('/f', file('one', { etag: '"1"' }))
    await get('/f')
    const [record = ''] = readdirSync(join(root, 'http'))
    for (const text of ['{', 'null', '{"version":1,"digest":"../../etc/passwd","size":3}']) {
      writeFileSync(join(root, 'http', record), text)
      expect(await get('/f')).toMatchObject({ digest: digestOf('one') })
    }
    expect(server.log).toEqual(Array(4).fill('GET /f 200'))
  })

  it('are stored unpacked when the server packs them on the way', async () => {
    const packed = gzipSync('hello')
    server.handlers.set('/f', file(packed, { 'content-encoding': 'gzip' }))
    expect(await get('/f')).toMatchObject({ digest: digestOf('hello'), size: 5 })
    server.handlers.set('/g', file(packed))
    expect(await get('/g')).toMatchObject({ digest: digestOf(packed) })
  })
})

describe('a checksum', () => {
  const fetchSum = (path: string, checksum: string) =>
    fetcher().fetch({ url: server.url + path, checksum }, 'step', testContext())
  const sumOf = (algorithm: string, text: string): string =>
    `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`

  it('is enough to know a file by that came from the URL before', async () => {
    server.handlers.set('/f', file('hello', { 'last-modified': old }))
    const first = await fetchSum('/f', digestOf('hello'))
    server.handlers.set('/f', file('changed'))
    expect(await fetchSum('/f', digestOf('hello'))).toEqual(first)
    expect(server.log).toEqual(['GET /f 200'])
  })

  it('may be of a longer kind', async () => {
    server.handlers.set('/f', file('hello'))
    for (const algorithm of ['sha384', 'sha512']) {
      expect(await fetchSum('/f', sumOf(algorithm, 'hello'))).toMatchObject({ digest: digestOf('hello') })
      await expect(fetchSum('/f', sumOf(algorithm, 'other'))).rejects.toMatchObject({
        code: 'ERR_DIGEST_MISMATCH',
        message: expect.stringContaining(sumOf(algorithm, 'hello')),
      })
    }
  })

  it('that is another ends in both digests', async () => {
    server.handlers.set('/f', file('hello'))
    await expect(fetchSum('/f', digestOf('other'))).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
      message: `fetch ${server.url}/f: the content is ${digestOf('hello')}, not ${digestOf('other')}`,
    })
  })
})

describe('credentials', () => {
  const secrets: Readonly<Record<string, string>> = { 'HTTP_AUTH_TOKEN_127.0.0.1': 'TOKEN' }
  const secret = async (id: string) => secrets[id]

  it('are the secret of the host, which wins over what the URL says', async () => {
    server.handlers.set('/f', file('hello'))
    await get('/f', { secret })
    const header = async (id: string) => (id === 'HTTP_AUTH_HEADER_127.0.0.1' ? 'Custom abc' : undefined)
    await get('/f', { secret: header })
    const url = `${server.url.replace('//', '//me:p%40ss@')}/f`
    await fetcher({ secret }).resolve(url, 'step', testContext())
    await fetcher().resolve(url, 'step', testContext())
    const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
    const sent = server.requests.map(({ headers }) => headers.authorization)
    expect(sent).toEqual(['Bearer TOKEN', 'Custom abc', 'Bearer TOKEN', basic])
  })

  it('do not follow a redirect to another origin, nor back', async () => {
    await using other = await webServer()
    const to = (url: string) => (_: unknown, response: import('node:http').ServerResponse) =>
      void response.writeHead(302, { location: url }).end()
    server.handlers.set('/same', to('/f'))
    server.handlers.set('/away', to(`${other.url}/back`))
    other.handlers.set('/back', to(`${server.url}/f`))
    server.handlers.set('/f', file('hello'))
    await get('/same', { secret })
    await get('/away', { secret })
    const sent = [...server.requests, ...other.requests].map((r) => [r.url, r.headers.authorization])
    expect(sent).toEqual([
      ['/same', 'Bearer TOKEN'],
      ['/f', 'Bearer TOKEN'],
      ['/away', 'Bearer TOKEN'],
      ['/f', undefined],
      ['/back', undefined],
    ])
  })

  it('are in no failure', async () => {
    const url = `${server.url.replace('//', '//me:hunter2@')}/none?token=hunter2`
    const failure = await fetcher()
      .resolve(url, 'step', testContext())
      .catch((thrown: unknown) => thrown)
    expect(String(failure)).toContain('404 not found')
    expect(JSON.stringify(failure) + String(failure)).not.toContain('hunter2')
  })
})

describe('what goes wrong', () => {
  const redirect = (location: string) => (_: unknown, response: import('node:http').ServerResponse) =>
    void response.writeHead(301, { location }).end()

  it.each([
    ['file:///etc/passwd', /redirect to file:\/\/\/etc\/passwd refused, which is no web address/],
    ['data:text/plain,x', /refused, which is no web address/],
    ['/loop', /more than 10 redirects/],
    ['http://[', /redirected to what is not a URL/],
  ])('a redirect to %s', async (location, message) => {
    server.handlers.set('/loop', redirect(location))
    await expect(get('/loop')).rejects.toMatchObject({
      code: 'ERR_HTTP_REDIRECT',
      message: expect.stringMatching(message),
    })
  })

  it.each([
    [404, 'ERR_HTTP_NOT_FOUND', 1],
    [401, 'ERR_HTTP_UNAUTHORIZED', 1],
    [206, 'ERR_HTTP_ANSWER', 1],
    [304, 'ERR_HTTP_ANSWER', 1],
    [503, 'ERR_HTTP_ANSWER', 2],
  ])('status %i is %s after %i tries', async (status, code, tries) => {
    server.handlers.set('/f', (_, response) => void response.writeHead(status).end())
    await expect(get('/f')).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`/f: ${status} `),
    })
    expect(server.requests).toHaveLength(tries)
  })

  it('a connection that breaks is tried again', async () => {
    let turn = 0
    server.handlers.set('/f', (request, response) => {
      if (turn++ > 0) return file('hello')(request, response)
      response.writeHead(200, { 'content-length': 5 }).write('he')
      setTimeout(() => response.destroy(), 20)
    })
    expect(await get('/f')).toMatchObject({ digest: digestOf('hello') })
  })

  it('an answer without an end, with or without a length, is given up and leaves nothing', async () => {
    server.handlers.set('/endless', (_, response) => {
      response.writeHead(200)
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(64 << 10), () => setImmediate(more))
      }
      more()
    })
    server.handlers.set(
      '/claims',
      (_, response) => void response.writeHead(200, { 'content-length': 2 ** 40 }).write('x'),
    )
    server.handlers.set('/bomb', file(gzipSync(Buffer.alloc(4 << 20)), { 'content-encoding': 'gzip' }))
    for (const path of ['/endless', '/claims', '/bomb']) {
      await expect(get(path, { maxBytes: 1 << 20 })).rejects.toMatchObject({ code: 'ERR_HTTP_TOO_LARGE' })
    }
    expect(readdirSync(join(root, 'store/blobs/sha256'))).toEqual([])
    expect(readdirSync(join(root, 'store/ingest'))).toEqual([])
  })

  it('silence ends in a timeout, before the answer and in it', async () => {
    server.handlers.set('/never', () => undefined)
    server.handlers.set('/stalls', (_, response) => void response.writeHead(200).write('x'))
    await expect(get('/never')).rejects.toMatchObject({
      message: expect.stringContaining('the server does not answer'),
    })
    await expect(get('/stalls')).rejects.toMatchObject({ code: 'ERR_HTTP_TIMEOUT' })
  })

  it('nobody listens, or it is no URL', async () => {
    const one = fetcher()
    await expect(one.resolve('http://127.0.0.1:1/x', 's', testContext())).rejects.toMatchObject({
      code: 'ERR_HTTP_UNREACHABLE',
      message: 'fetch http://127.0.0.1:1/x: connection refused',
    })
    await expect(one.resolve('http://', 's', testContext())).rejects.toMatchObject({ code: 'ERR_HTTP_URL' })
  })

  it('an abort stops it', async () => {
    server.handlers.set('/stalls', (_, response) => void response.writeHead(200).write('x'))
    const cx = testContext()
    const going = fetcher().resolve(`${server.url}/stalls`, 'step', cx)
    setTimeout(() => cx.abort(), 50)
    await expect(going).rejects.toMatchObject({ name: 'AbortError' })
    expect(readdirSync(join(root, 'store/ingest'))).toEqual([])
  })
})
