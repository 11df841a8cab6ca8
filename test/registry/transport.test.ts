import { randomBytes } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { readAll } from '../contract/content-store.ts'
import { loggedIn, password, useRegistries } from './open-test-registry.ts'
import { describeBytes, sampleImage, seedRegistry } from './sample-image.ts'

const use = useRegistries()

/** A server with one image whose first layer is big enough to be resumed. */
async function withLayer(options: Parameters<typeof use.server>[0] = {}) {
  const server = await use.server(options)
  const sample = sampleImage({ layers: [randomBytes(400_000)] })
  seedRegistry(server, 'app', sample, '1')
  const [layer] = sample.layers
  const [bytes] = sample.layerBytes
  if (layer === undefined || bytes === undefined) throw new Error('no layer')
  return { server, sample, layer, bytes, blob: new RegExp(`GET .*/blobs/${layer.digest}`) }
}

async function fetchLayer(
  host: string,
  layer: Descriptor,
  options: Parameters<typeof use.client>[0] = {},
): Promise<Buffer> {
  return readAll(await use.client(options).repository({ registry: host, repository: 'app' }).open(layer))
}

describe('requests', () => {
  it.each([408, 425, 429, 500, 502, 503, 504])('are tried again after a %d', async (status) => {
    const { server, sample } = await withLayer()
    server.fail(/manifests/, { kind: 'status', status }, 3)
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    expect((await repository.resolve('1')).descriptor).toEqual(sample.manifest)
  })

  it.each([400, 401, 403, 404, 405])('are not tried again after a %d', async (status) => {
    const { server } = await withLayer()
    server.fail(/manifests/, { kind: 'status', status }, 9)
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    await expect(repository.resolve('1')).rejects.toThrow(`: ${status} `)
    expect(server.count(/manifests/)).toBe(1)
  })

  it('give up after some tries and say what the registry said', async () => {
    const { server } = await withLayer()
    const body = JSON.stringify({ errors: [{ code: 'X', message: 'out of\norder' }] })
    server.fail(/manifests/, { kind: 'status', status: 503, body }, 99)
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    await expect(repository.resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_ANSWER',
      message: `fetch manifest ${server.host}/app:1: 503 server error: out of order`,
    })
    expect(server.count(/manifests/)).toBe(4)
  })

  it('wait as long as Retry-After says', async () => {
    const { server } = await withLayer()
    server.fail(/manifests/, { kind: 'status', status: 429, headers: { 'retry-after': '1' } })
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    const start = performance.now()
    await repository.resolve('1')
    expect(performance.now() - start).toBeGreaterThan(950)
  })

  it('do not wait for minutes', async () => {
    const { server } = await withLayer()
    server.fail(/manifests/, { kind: 'status', status: 429, headers: { 'retry-after': '3600' } })
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    await expect(repository.resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_BUSY',
      message: expect.stringContaining('asks to wait 3600 s'),
    })
  })

  it('survive connections that are reset', async () => {
    const { server, sample } = await withLayer()
    server.fail(/manifests/, { kind: 'reset' }, 2)
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    expect((await repository.resolve('1')).descriptor).toEqual(sample.manifest)
  })

  it('do not wait for ever for a registry that is silent', async () => {
    const { server } = await withLayer()
    server.fail(/manifests/, { kind: 'hang' }, 99)
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    await expect(repository.resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_TIMEOUT',
      message: `fetch manifest ${server.host}/app:1: the registry does not answer (${server.host})`,
    })
    expect(server.count(/manifests/)).toBe(2)
  })

  it('do not wait for ever for a registry that says wait for ever', async () => {
    const server = createServer((socket) => {
      const talk = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 50)
      socket.on('error', () => undefined).on('close', () => clearInterval(talk))
    })
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    })
    const repository = use.client().repository({ registry: `127.0.0.1:${port}`, repository: 'app' })
    await expect(repository.resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_TIMEOUT',
      message: expect.stringContaining('the registry does not answer'),
    })
    await new Promise((resolve) => server.close(resolve))
  })

  it('say that what answers is no web server', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end('\x00\x01 not HTTP\r\n\r\n', () => socket.destroy())
    })
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    })
    const repository = use.client().repository({ registry: `127.0.0.1:${port}`, repository: 'app' })
    await expect(repository.resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_ANSWER',
      message: expect.stringContaining(`is not HTTP (127.0.0.1:${port})`),
    })
    await new Promise((resolve) => server.close(resolve))
  })

  it('say that nobody listens', async () => {
    const port = await closedPort()
    const repository = use.client().repository({ registry: `127.0.0.1:${port}`, repository: 'app' })
    await expect(repository.resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNREACHABLE',
      message: expect.stringContaining(`connection refused (127.0.0.1:${port})`),
      hint: expect.stringContaining('registry running'),
    })
  })

  it('stop at once when aborted, also between tries', async () => {
    const { server } = await withLayer()
    server.fail(/manifests/, { kind: 'status', status: 503, headers: { 'retry-after': '30' } }, 99)
    const stop = new AbortController()
    const repository = use.client().repository({ registry: server.host, repository: 'app' })
    const start = performance.now()
    setTimeout(() => stop.abort(new Error('enough')), 50)
    await expect(repository.resolve('1', { signal: stop.signal })).rejects.toThrow()
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

describe('manifests', () => {
  const repositoryAt = (host: string) => use.client().repository({ registry: host, repository: 'app' })

  it('say that a tag does not exist', async () => {
    const { server } = await withLayer()
    await expect(repositoryAt(server.host).resolve('2')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_NOT_FOUND',
      message: `fetch manifest ${server.host}/app:2: 404 not found: manifest unknown`,
      hint: expect.stringContaining('has no tag "2"'),
    })
    expect(await repositoryAt(server.host).head('2')).toBeUndefined()
  })

  it('must have the digest they were asked for', async () => {
    const { server, sample } = await withLayer()
    server.fail(/manifests/, { kind: 'corrupt' })
    await expect(repositoryAt(server.host).resolve(sample.manifest.digest)).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
  })

  it('must have the digest the registry says', async () => {
    const { server } = await withLayer()
    const other = describeBytes('x', Buffer.from('other')).digest
    server.fail(/manifests/, { kind: 'headers', headers: { 'docker-content-digest': other } })
    await expect(repositoryAt(server.host).resolve('1')).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
  })

  it('are what they say themselves, not what the header says', async () => {
    const { server, sample } = await withLayer()
    server.fail(/manifests/, { kind: 'headers', headers: { 'content-type': 'text/plain' } })
    expect((await repositoryAt(server.host).resolve('1')).descriptor).toEqual(sample.manifest)
  })

  it('are not read without end', async () => {
    const { server } = await withLayer()
    server.addManifest(
      'app',
      'huge',
      'application/vnd.oci.image.manifest.v1+json',
      Buffer.alloc(5 << 20, 0x20),
    )
    await expect(repositoryAt(server.host).resolve('huge')).rejects.toThrow('more than 4194304 bytes')
  })

  it('are not decompressed', async () => {
    const { server } = await withLayer()
    server.fail(/manifests/, { kind: 'headers', headers: { 'content-encoding': 'gzip' } })
    await expect(repositoryAt(server.host).resolve('1')).rejects.toThrow('content encoding')
    expect(server.requests.every((r) => r.headers['accept-encoding'] === 'identity')).toBe(true)
  })

  it('are looked up without their content', async () => {
    const { server, sample } = await withLayer()
    expect(await repositoryAt(server.host).head('1')).toEqual(sample.manifest)
    server.fail(/manifests/, { kind: 'headers', headers: { 'docker-content-digest': undefined } })
    expect(await repositoryAt(server.host).head('1')).toBeUndefined()
    server.fail(/manifests/, { kind: 'status', status: 405 })
    expect(await repositoryAt(server.host).head('1')).toBeUndefined()
  })
})

describe('blobs', () => {
  it('go on where a broken answer stopped', async () => {
    const { server, layer, bytes, blob } = await withLayer()
    server.fail(blob, { kind: 'cut', bytes: 150_000 })
    server.fail(blob, { kind: 'truncate', bytes: 100_000 })
    expect((await fetchLayer(server.host, layer)).equals(bytes)).toBe(true)
    const ranges = server.requests
      .filter((r) => blob.test(`${r.method} ${r.url}`))
      .map((r) => r.headers.range)
    expect(ranges).toEqual([undefined, 'bytes=150000-', 'bytes=250000-'])
  })

  it('start again where there is little to keep or the registry knows no ranges', async () => {
    const { server, layer, bytes, blob } = await withLayer({ noRange: true })
    server.fail(blob, { kind: 'cut', bytes: 20_000 })
    server.fail(blob, { kind: 'cut', bytes: 200_000 })
    expect((await fetchLayer(server.host, layer)).equals(bytes)).toBe(true)
    const ranges = server.requests
      .filter((r) => blob.test(`${r.method} ${r.url}`))
      .map((r) => r.headers.range)
    expect(ranges).toEqual([undefined, undefined, 'bytes=200000-'])
  })

  it('are tried again as long as every try brings something', async () => {
    const { server, layer, bytes, blob } = await withLayer()
    server.fail(blob, { kind: 'truncate', bytes: 70_000 }, 5)
    expect((await fetchLayer(server.host, layer)).equals(bytes)).toBe(true)
    expect(server.count(blob)).toBe(6)
  })

  it('fail when nothing comes any more', async () => {
    const { server, layer, blob } = await withLayer()
    server.fail(blob, { kind: 'truncate', bytes: 100_000 }, 1)
    server.fail(blob, { kind: 'truncate', bytes: 0 }, 99)
    await expect(fetchLayer(server.host, layer)).rejects.toMatchObject({
      code: 'ERR_REGISTRY_INTERRUPTED',
      message: expect.stringContaining('after 100000 of 400000 bytes'),
    })
  })

  it('are given up when they fall silent', async () => {
    const { server, layer, blob } = await withLayer()
    server.fail(blob, { kind: 'stall', bytes: 1000 }, 99)
    await expect(fetchLayer(server.host, layer, { retry: { tries: 2, baseMs: 1 } })).rejects.toMatchObject({
      code: 'ERR_REGISTRY_TIMEOUT',
      message: expect.stringContaining('stopped sending'),
    })
  })

  it('with other bytes end in an error', async () => {
    const { server, layer, blob } = await withLayer()
    server.fail(blob, { kind: 'corrupt' })
    await expect(fetchLayer(server.host, layer)).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
      message: expect.stringContaining(layer.digest),
    })
  })

  it('longer than announced are cut off', async () => {
    const { server, layer } = await withLayer()
    await expect(fetchLayer(server.host, { ...layer, size: 1000 })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
  })

  it('follow redirects to another origin without credentials', async () => {
    const { server, layer, bytes } = await withLayer({ auth: 'basic', redirectBlobs: true })
    const environment = loggedIn(server.host, password())
    expect((await fetchLayer(server.host, layer, { environment })).equals(bytes)).toBe(true)
    const away = server.requests.filter((r) => r.server === 'elsewhere')
    expect(away).toHaveLength(1)
    expect(away[0]?.headers.authorization).toBeUndefined()
    expect(away[0]?.url).toContain('X-Amz-Signature')
  })

  it('do not follow redirects in circles or to other schemes', async () => {
    const { server, layer, blob } = await withLayer()
    const to = (location: string) => ({ kind: 'status', status: 307, headers: { location } }) as const
    server.fail(blob, to(`/v2/app/blobs/${layer.digest}`), 99)
    await expect(fetchLayer(server.host, layer)).rejects.toThrow('more than 5 redirects')
    for (const [location, why] of [
      ['ftp://x/y', 'refused'],
      ['http://a:b@x/y', 'refused'],
      ['http://[bad', 'not a URL'],
    ] as const) {
      const other = await withLayer()
      other.server.fail(other.blob, to(location), 99)
      await expect(fetchLayer(other.server.host, other.layer)).rejects.toThrow(why)
    }
  })

  it('stop when nobody reads them any more', async () => {
    const { server, layer, blob } = await withLayer()
    server.fail(blob, { kind: 'slow', chunkBytes: 1000, delayMs: 5 })
    const stream = await use.client().repository({ registry: server.host, repository: 'app' }).open(layer)
    for await (const _chunk of stream) break
    expect(stream.destroyed).toBe(true)
  })

  it('end with the reason of an aborted signal', async () => {
    const { server, layer, blob } = await withLayer()
    server.fail(blob, { kind: 'stall', bytes: 100 })
    const stop = new AbortController()
    const stream = await use
      .client()
      .repository({ registry: server.host, repository: 'app' })
      .open(layer, { signal: stop.signal })
    const reading = expect(readAll(stream)).rejects.toThrow()
    setTimeout(() => stop.abort(new Error('enough')), 30)
    await reading
  })
})

async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
