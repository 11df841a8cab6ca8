import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { parseReference } from '../../src/core/reference.ts'
import { pushImage } from '../../src/registry/push.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import { readAll } from '../contract/content-store.ts'
import { loggedIn, password, testContext, useRegistries } from './open-test-registry.ts'
import { describeBytes, sampleImage, sampleIndex, seedRegistry, seedStore } from './sample-image.ts'

const use = useRegistries()
const octets = 'application/octet-stream'

async function storeWith(options: Parameters<typeof sampleImage>[0] = {}) {
  const sample = sampleImage(options)
  const store = openMemoryStore()
  await seedStore(store, sample)
  return { sample, store }
}

describe('pushImage', () => {
  it('sends layers and config before the manifest, then names it', async () => {
    const server = await use.server({ auth: 'bearer' })
    const { sample, store } = await storeWith()
    const client = use.client({ environment: loggedIn(server.host, password()) })
    const ref = parseReference(`${server.host}/team/app:1`)
    const cx = testContext()
    await pushImage(client, { store, ref, descriptor: sample.manifest }, cx)
    expect(server.manifests.get('team/app:1')?.bytes.equals(sample.manifestBytes)).toBe(true)
    expect(server.manifests.get('team/app:1')?.type).toBe(sample.manifest.mediaType)
    for (const [i, layer] of sample.layers.entries()) {
      expect(server.blobs.get(layer.digest)?.equals(sample.layerBytes[i] ?? Buffer.alloc(0))).toBe(true)
    }
    const puts = server.requests.filter((r) => r.method === 'PUT').map((r) => r.url)
    expect(puts.findIndex((url) => url.includes('/manifests/'))).toBe(3)
    expect(puts.at(-1)).toBe('/v2/team/app/manifests/1')
    expect(server.requests.find((r) => r.server === 'token')?.url).toContain(
      'repository%3Ateam%2Fapp%3Apull%2Cpush',
    )
    expect(cx.events.at(-1)).toEqual({ type: 'task-finished', step: `push ${server.host}/team/app:1` })
  })

  it('sends nothing when the tag means the image already, and only what is missing otherwise', async () => {
    const server = await use.server()
    const { sample, store } = await storeWith()
    seedRegistry(server, 'app', sample, '1')
    const push = (name: string) =>
      pushImage(
        use.client(),
        { store, ref: parseReference(`${server.host}/${name}`), descriptor: sample.manifest },
        testContext(),
      )
    await push('app:1')
    expect(server.count(/^(POST|PUT|PATCH)/)).toBe(0)
    await push('app:2')
    expect(server.count(/^POST/)).toBe(0)
    expect(server.manifests.has('app:2')).toBe(true)
  })

  it.each([
    ['HEAD .*/manifests/1$'],
    ['HEAD .*/blobs/'],
    ['POST .*/uploads/'],
    ['PUT .*/uploads/'],
    ['PUT .*/manifests/sha256'],
    ['PUT .*/manifests/1$'],
  ])(
    'waits for no answer to %s when it is interrupted',
    async (asked) => {
      const server = await use.server()
      server.fail(new RegExp(asked), { kind: 'hang' }, 100)
      const { sample, store } = await storeWith()
      const stop = new AbortController()
      const minute = { connectMs: 60_000, headersMs: 60_000, idleMs: 60_000 }
      const pushing = pushImage(
        use.client({ timeouts: minute }),
        { store, ref: parseReference(`${server.host}/app:1`), descriptor: sample.manifest },
        testContext(stop.signal),
      )
      const failed = expect(pushing).rejects.toThrow('interrupted')
      await vi.waitFor(() => expect(server.count(new RegExp(asked))).toBeGreaterThan(0))
      stop.abort(new Error('interrupted'))
      await failed
    },
    20_000,
  )

  it('sends an index with everything it lists', async () => {
    const server = await use.server()
    const store = openMemoryStore()
    const samples = ['amd64', 'arm64'].map((architecture) => sampleImage({ architecture }))
    for (const sample of samples) await seedStore(store, sample)
    const index = sampleIndex(samples.map((sample) => ({ sample })))
    await store.put(index.descriptor, index.bytes)
    const ref = parseReference(`${server.host}/app:multi`)
    await pushImage(use.client(), { store, ref, descriptor: index.descriptor }, testContext())
    expect(server.manifests.get('app:multi')?.bytes.equals(index.bytes)).toBe(true)
    for (const { manifest } of samples) expect(server.manifests.has(`app@${manifest.digest}`)).toBe(true)
  })

  it('mounts what another repository of the registry holds', async () => {
    const server = await use.server({ auth: 'bearer' })
    const { sample, store } = await storeWith()
    seedRegistry(server, 'base', sample)
    for (const layer of sample.layers) await store.addOrigin(layer.digest, `${server.host}/base`)
    const client = use.client({ environment: loggedIn(server.host, password()) })
    const ref = parseReference(`${server.host}/app:1`)
    await pushImage(client, { store, ref, descriptor: sample.manifest }, testContext())
    expect(server.count(/POST .*mount=.*from=base/)).toBeGreaterThan(0)
    // Only the config is sent.
    expect(server.count(/^PUT .*uploads/)).toBe(1)
    const scopes = server.requests.filter((r) => r.server === 'token').map((r) => r.url)
    expect(scopes.some((url) => url.includes('repository%3Abase%3Apull'))).toBe(true)
  })

  it('uploads what cannot be mounted', async () => {
    for (const options of [{ refuseMount: true }, {}]) {
      const server = await use.server(options)
      const { sample, store } = await storeWith()
      seedRegistry(server, 'base', sample)
      for (const layer of sample.layers) await store.addOrigin(layer.digest, `${server.host}/base`)
      if (!options.refuseMount) server.fail(/POST .*mount=/, { kind: 'status', status: 403 }, 9)
      const ref = parseReference(`${server.host}/app:1`)
      await pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext())
      expect(server.count(/^PUT .*uploads/)).toBe(3)
    }
  })

  it('remembers where it sent layers', async () => {
    const server = await use.server()
    const { sample, store } = await storeWith()
    const push = (name: string) =>
      pushImage(
        use.client(),
        { store, ref: parseReference(`${server.host}/${name}`), descriptor: sample.manifest },
        testContext(),
      )
    await push('a:1')
    await push('b:1')
    expect(server.count(/POST .*mount=.*from=a/)).toBe(3)
    expect(server.count(/^PUT .*uploads/)).toBe(3)
  })

  it('reads layers that were never needed here from where they came from', async () => {
    const [source, target] = [await use.server(), await use.server()]
    const sample = sampleImage()
    seedRegistry(source, 'base', sample)
    const store = openMemoryStore()
    await store.put(sample.config, sample.configBytes)
    await store.put(sample.manifest, sample.manifestBytes)
    for (const layer of sample.layers) await store.addOrigin(layer.digest, `${source.host}/base`)
    const ref = parseReference(`${target.host}/app:1`)
    await pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext())
    for (const layer of sample.layers) expect(target.blobs.has(layer.digest)).toBe(true)
  })

  it('goes on with an upload that broke', async () => {
    const server = await use.server()
    const { sample, store } = await storeWith({ layers: [randomBytes(500_000)] })
    const put = new RegExp(`^PUT .*uploads.*${sample.layers[0]?.digest.replace(':', '%3A')}`)
    server.fail(put, { kind: 'cut-upload', bytes: 200_000 })
    server.fail(/^PATCH .*uploads/, { kind: 'cut-upload', bytes: 350_000 })
    const ref = parseReference(`${server.host}/app:1`)
    await pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext())
    const patches = server.requests.filter((r) => r.method === 'PATCH').map((r) => r.headers['content-range'])
    expect(patches).toEqual(['200000-499999', '350000-499999'])
    expect(
      server.blobs.get(sample.layers[0]?.digest ?? '')?.equals(sample.layerBytes[0] ?? Buffer.alloc(0)),
    ).toBe(true)
  })

  it('starts an upload again when the registry has forgotten it', async () => {
    const server = await use.server()
    const { sample, store } = await storeWith({ layers: [randomBytes(500_000)] })
    const put = new RegExp(`^PUT .*uploads.*${sample.layers[0]?.digest.replace(':', '%3A')}`)
    server.fail(put, { kind: 'cut-upload', bytes: 200_000 })
    server.fail(/^GET .*uploads/, { kind: 'status', status: 404 })
    const ref = parseReference(`${server.host}/app:1`)
    await pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext())
    expect(server.count(/^PATCH/)).toBe(0)
    expect(server.manifests.has('app:1')).toBe(true)
  })

  it('survives a busy registry', async () => {
    const server = await use.server()
    const { sample, store } = await storeWith()
    server.fail(/^POST/, { kind: 'status', status: 503 }, 2)
    server.fail(/^PUT .*uploads/, { kind: 'status', status: 502 }, 1)
    server.fail(/^PUT .*manifests/, { kind: 'reset' }, 1)
    server.fail(/^HEAD/, { kind: 'status', status: 429, headers: { 'retry-after': '0' } }, 1)
    const ref = parseReference(`${server.host}/app:1`)
    await pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext())
    expect(server.manifests.has('app:1')).toBe(true)
  })

  it('does not believe a registry that stored another manifest', async () => {
    const server = await use.server()
    const { sample, store } = await storeWith()
    const other = describeBytes(octets, Buffer.from('other')).digest
    server.fail(/^PUT .*manifests/, { kind: 'headers', headers: { 'docker-content-digest': other } })
    const ref = parseReference(`${server.host}/app:1`)
    await expect(
      pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext()),
    ).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
  })

  it('sends no credentials to an upload address on another origin', async () => {
    const [server, elsewhere] = [await use.server({ auth: 'basic' }), await use.server()]
    const { sample, store } = await storeWith()
    const headers = { location: `http://${elsewhere.host}/v2/app/blobs/uploads/1` }
    const client = use.client({ environment: loggedIn(server.host, password()) })
    const ref = parseReference(`${server.host}/app:1`)
    // The first request without credentials is answered with the challenge.
    await client.repository(ref, { push: true }).has(sample.config)
    server.fail(/^POST/, { kind: 'status', status: 202, headers }, 99)
    const pushing = pushImage(client, { store, ref, descriptor: sample.manifest }, testContext())
    await expect(pushing).rejects.toMatchObject({ code: 'ERR_REGISTRY_NOT_FOUND' })
    expect(server.requests.at(-1)?.headers.authorization).toBeDefined()
    expect(elsewhere.requests.length).toBeGreaterThan(0)
    expect(elsewhere.requests.every((r) => r.headers.authorization === undefined)).toBe(true)
  })

  it('says that pushing is not allowed', async () => {
    const server = await use.server()
    const { sample, store } = await storeWith()
    server.fail(
      /^POST/,
      {
        kind: 'status',
        status: 403,
        body: '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}',
      },
      9,
    )
    const ref = parseReference(`${server.host}/app:1`)
    await expect(
      pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext()),
    ).rejects.toMatchObject({
      code: 'ERR_REGISTRY_DENIED',
      message: expect.stringMatching(/^push sha256:[0-9a-f]{64} to .*: 403 forbidden: requested access/),
    })
  })

  it('says that a layer is missing here', async () => {
    const server = await use.server()
    const sample = sampleImage()
    const store = openMemoryStore()
    await store.put(sample.manifest, sample.manifestBytes)
    const ref = parseReference(`${server.host}/app:1`)
    await expect(
      pushImage(use.client(), { store, ref, descriptor: sample.manifest }, testContext()),
    ).rejects.toMatchObject({
      code: 'ERR_BLOB_MISSING',
    })
  })
})

describe('a repository', () => {
  const repositoryAt = (host: string) =>
    use.client().repository({ registry: host, repository: 'app' }, { push: true })

  it('takes blobs of unknown digest, of no bytes and from memory', async () => {
    const server = await use.server()
    const repository = repositoryAt(server.host)
    const bytes = randomBytes(100_000)
    const expected = describeBytes(octets, bytes)
    expect(await repository.put({ mediaType: octets }, Readable.from([bytes]))).toEqual(expected)
    expect((await readAll(await repository.open(expected))).equals(bytes)).toBe(true)
    const empty = describeBytes(octets, Buffer.alloc(0))
    expect(await repository.put(empty, Readable.from([]))).toEqual(empty)
    expect(await readAll(await repository.open(empty))).toHaveLength(0)
    const small = Buffer.from('small')
    expect(await repository.put(describeBytes(octets, small), small)).toEqual(describeBytes(octets, small))
    expect(await repository.has(describeBytes(octets, small))).toBe(true)
    expect(await repository.has(describeBytes(octets, Buffer.from('absent')))).toBe(false)
  })

  it.each([
    [
      'digest',
      (d: ReturnType<typeof describeBytes>) => ({
        ...d,
        digest: describeBytes(octets, Buffer.from('x')).digest,
      }),
    ],
    ['size', (d: ReturnType<typeof describeBytes>) => ({ ...d, size: d.size + 1 })],
    ['size', (d: ReturnType<typeof describeBytes>) => ({ ...d, size: d.size - 1 })],
  ])('refuses content of another %s', async (_what, lie) => {
    const server = await use.server()
    const bytes = randomBytes(100_000)
    const expected = lie(describeBytes(octets, bytes))
    await expect(repositoryAt(server.host).put(expected, Readable.from([bytes]))).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
    expect(await repositoryAt(server.host).has(expected)).toBe(false)
  })

  it('reports what broke its source, not the connection that broke by it', async () => {
    const server = await use.server()
    const store = openMemoryStore()
    const lie = { ...(await store.put({ mediaType: octets }, randomBytes(50))), size: 60 }
    await expect(repositoryAt(server.host).put(lie, await store.open(lie))).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
      message: expect.stringContaining('read blob'),
    })
  })

  it('names manifests that it was given before, or already had', async () => {
    const server = await use.server()
    const sample = sampleImage()
    seedRegistry(server, 'app', sample)
    await repositoryAt(server.host).tag(`${server.host}/app:x`, sample.manifest)
    expect(server.manifests.get('app:x')?.bytes.equals(sample.manifestBytes)).toBe(true)
  })
})
