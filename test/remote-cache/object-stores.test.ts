// Caches in S3 and in GitHub's cache against servers that check what they are told.
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { type Exchange, openExchange } from '../../src/registry/exchange.ts'
import { signedHeaders } from '../../src/remote-cache/aws-signature.ts'
import { openGithub } from '../../src/remote-cache/github-store.ts'
import type { ObjectStore } from '../../src/remote-cache/object-store.ts'
import { openS3 } from '../../src/remote-cache/s3-store.ts'
import { collect } from '../../src/store/collect.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import { testContext } from '../ops/support/context.ts'
import { type ActionsServer, startActions } from '../support/actions-server.ts'
import { type S3Server, s3Keys, startS3 } from '../support/s3-server.ts'

const cx = testContext()
let exchange: Exchange
beforeEach(() => {
  exchange = openExchange({ environment: {} })
})
afterEach(() => exchange.close())

async function layerOf(bytes: Buffer) {
  const from = openMemoryStore()
  const layer = await from.put({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }, bytes)
  return { from, layer }
}

/** What every store of objects must do. */
async function roundTrip(store: ObjectStore): Promise<Descriptor> {
  const bytes = randomBytes(3 << 20)
  const { from, layer } = await layerOf(bytes)
  expect(await store.readTexts('config', cx)).toEqual([])
  expect(await store.layers.has(layer)).toBe(false)
  await store.putLayer(layer, from, cx)
  await store.putLayer(layer, from, cx)
  expect(await store.layers.has(layer)).toBe(true)
  expect((await collect(await store.layers.open(layer))).equals(bytes)).toBe(true)
  await store.writeText('config', '{"a":1}', cx)
  await store.writeText('config', '{"a":2}', cx)
  expect(await store.readTexts('config', cx)).toEqual(['{"a":2}'])
  expect(await store.readTexts('mounts', cx)).toEqual([])
  await store.writeText('mounts', '{"b":1}', cx)
  expect(await store.readTexts('mounts', cx)).toEqual(['{"b":1}'])
  expect(await store.readTexts('config', cx)).toEqual(['{"a":2}'])
  return layer
}

describe('signatures', () => {
  it('are those of the example that AWS publishes', () => {
    const { authorization } = signedHeaders({
      method: 'GET',
      url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
      region: 'us-east-1',
      credentials: {
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      },
      payload: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      headers: { range: 'bytes=0-9' },
      nowMs: Date.UTC(2013, 4, 24),
    })
    expect(authorization).toMatch(
      /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
    )
  })
})

/** The bytes of a stream that ends in an error. */
function spoiled(body: Readable): Readable {
  async function* content(): AsyncGenerator<Buffer> {
    yield* body as AsyncIterable<Buffer>
    throw new Error('spoiled')
  }
  return Readable.from(content(), { objectMode: false })
}

describe('S3', () => {
  let server: S3Server
  beforeEach(async () => {
    server = await startS3()
  })
  afterEach(() => server[Symbol.asyncDispose]())
  const open = (
    credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string } = s3Keys,
  ) =>
    openS3(
      {
        bucket: 'my.bucket',
        region: 'eu-1',
        names: ['a b', 'second'],
        prefix: 'pre fix/',
        blobsPrefix: 'blobs/',
        manifestsPrefix: 'manifests/',
        endpoint: server.url,
        usePathStyle: true,
        uploads: 4,
        touchMs: 1000,
      },
      { exchange, credentials },
    )

  it('keeps layers and configs where BuildKit looks for them', async () => {
    const layer = await roundTrip(open())
    expect([...server.objects.keys()].sort()).toEqual([
      `/my.bucket/pre fix/blobs/${layer.digest}`,
      '/my.bucket/pre fix/manifests/a b',
      '/my.bucket/pre fix/manifests/a b-mounts',
      '/my.bucket/pre fix/manifests/second',
      '/my.bucket/pre fix/manifests/second-mounts',
    ])
    // Sent once, and made younger the second time.
    expect(server.asked.filter((line) => line.startsWith('PUT') && line.includes('/blobs/')).length).toBe(2)
  })

  it('goes on where a connection broke, and tries again what was refused for a moment', async () => {
    const store = open()
    const bytes = randomBytes(1 << 20)
    const { from, layer } = await layerOf(bytes)
    server.busy = 1
    await store.putLayer(layer, from, cx)
    server.breaks = 2
    expect((await collect(await store.layers.open(layer))).equals(bytes)).toBe(true)
  })

  it('says what it read when the connection broke', async () => {
    const store = open()
    await store.writeText('config', '{"a":1}', cx)
    server.breaks = 1
    await expect(store.readTexts('config', cx)).rejects.toMatchObject({
      code: 'ERR_CACHE_INTERRUPTED',
      message: expect.stringMatching(/^read s3 my\.bucket\/.*: connection closed by the server$|cut short$/),
    })
  })

  it('stops reading a layer when it is told to, whoever has it', async () => {
    const store = open()
    const { from, layer } = await layerOf(randomBytes(1 << 20))
    await store.putLayer(layer, from, cx)
    const stop = new AbortController()
    const body = await store.layers.open(layer, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(collect(body)).rejects.toMatchObject({ name: 'AbortError' })
  })

  const parts = (): number => server.asked.filter((line) => line.endsWith('partNumber uploadId')).length

  it('sends large layers in parts, and goes on with them where an earlier build was stopped', async () => {
    const bytes = randomBytes(35 << 20)
    const { from, layer } = await layerOf(bytes)
    server.partsLeft = 3
    await expect(open().putLayer(layer, from, cx)).rejects.toMatchObject({ code: 'ERR_CACHE_ANSWER' })
    expect([parts(), server.uploads.size, await open().layers.has(layer)]).toEqual([4, 1, false])
    server.partsLeft = 100
    await open().putLayer(layer, from, cx)
    // The last two of five.
    expect([parts(), server.uploads.size]).toEqual([6, 0])
    expect((await collect(await open().layers.open(layer))).equals(bytes)).toBe(true)
    await open().putLayer(layer, from, cx)
    expect(parts()).toBe(6)
  })

  it('sends a part again, not the whole layer, when a store is busy', async () => {
    const { from, layer } = await layerOf(randomBytes(20 << 20))
    server.busy = 1
    await open().putLayer(layer, from, cx)
    expect(parts()).toBe(4)
    expect(server.asked.filter((line) => /^POST .* uploads$/.test(line))).toHaveLength(1)
  })

  it('begins anew where an upload is not to be found, and believes no end that is none', async () => {
    const bytes = randomBytes(9 << 20)
    const { from, layer } = await layerOf(bytes)
    const key = `/my.bucket/pre fix/blobs/${layer.digest}`
    // Of another object whose name begins alike, and one of other bytes.
    server.uploads.set('other', { key: `${key}x`, parts: new Map() })
    server.uploads.set('wrong', { key, parts: new Map([[1, Buffer.alloc(5 << 20)]]) })
    server.fault = 'disk & all'
    await expect(open().putLayer(layer, from, cx)).rejects.toMatchObject({
      code: 'ERR_CACHE_INVALID',
      message: expect.stringContaining('disk & all'),
    })
    delete server.fault
    await open().putLayer(layer, from, cx)
    expect([...server.uploads.keys()]).toEqual(['other'])
    expect((await collect(await open().layers.open(layer))).equals(bytes)).toBe(true)
  })

  it('never ends an upload of bytes that are not the layer', async () => {
    const { from, layer } = await layerOf(randomBytes(9 << 20))
    const { from: other, layer: others } = await layerOf(randomBytes(9 << 20))
    const lying = { ...from, open: () => other.open(others).then((body) => spoiled(body)) }
    await expect(open().putLayer(layer, lying, cx)).rejects.toThrow('spoiled')
    expect(await open().layers.has(layer)).toBe(false)
  })

  it('does not believe what it reads, nor is believed with wrong keys', async () => {
    const store = open()
    const { from, layer } = await layerOf(Buffer.from('layer'))
    await store.putLayer(layer, from, cx)
    server.objects.set(`/my.bucket/pre fix/blobs/${layer.digest}`, Buffer.from('other'))
    await expect(collect(await store.layers.open(layer))).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
    const stranger = open({ ...s3Keys, secretAccessKey: 'wrong' })
    await expect(stranger.readTexts('config', cx)).rejects.toMatchObject({ code: 'ERR_CACHE_DENIED' })
  })
})

describe.each([1, 2] as const)("GitHub's cache, version %i", (api) => {
  let server: ActionsServer
  beforeEach(async () => {
    server = await startActions()
  })
  afterEach(() => server[Symbol.asyncDispose]())
  const open = () =>
    openGithub({ url: `${server.url}/`, token: server.token, scope: 'buildkit', api }, exchange)

  it('keeps layers and configs under the keys of BuildKit', async () => {
    const layer = await roundTrip(open())
    const scope = digestOf('refs/heads/main').slice(7, 15)
    expect([...server.entries.keys()]).toEqual([
      `buildkit-blob-1-${layer.digest}`,
      `index-buildkit-1-${scope}#1`,
      `index-buildkit-1-${scope}#2`,
      `slipway-mounts-buildkit-1-${scope}#1`,
    ])
  })

  it('counts on from no number that it cannot count on from', async () => {
    const scope = digestOf('refs/heads/main').slice(7, 15)
    for (const number of ['9007199254740992', 'Infinity', 'x']) {
      server.entries.set(`index-buildkit-1-${scope}#${number}`, Buffer.from('{}'))
      await open().writeText('config', `{"a":"${number}"}`, cx)
    }
    expect([...server.entries.keys()].slice(-1)).toEqual([`index-buildkit-1-${scope}#3`])
  })

  it('sends a large layer in chunks', async () => {
    const store = open()
    const bytes = randomBytes(70 << 20)
    const { from, layer } = await layerOf(bytes)
    await store.putLayer(layer, from, cx)
    expect(server.entries.get(`buildkit-blob-1-${layer.digest}`)?.equals(bytes)).toBe(true)
  })

  it('refuses a token that says nothing', () => {
    expect(() => openGithub({ url: server.url, token: 'x', scope: 'buildkit', api }, exchange)).toThrow(
      'the token says nothing of scopes',
    )
  })
})
