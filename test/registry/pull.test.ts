import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { mediaType } from '../../src/core/media-type.ts'
import { parseReference } from '../../src/core/reference.ts'
import { pullImage, pullLayers } from '../../src/registry/pull.ts'
import { resolveImage } from '../../src/registry/resolve.ts'
import { openContentStore } from '../../src/store/layout-store.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import { testNative, withDirectory } from '../sys/native.ts'
import { testContext, useRegistries } from './open-test-registry.ts'
import { describeBytes, sampleImage, sampleIndex, seedRegistry, seedStore } from './sample-image.ts'

const use = useRegistries()
const amd64 = { os: 'linux', architecture: 'amd64' }
const arm = (variant: string) => ({ os: 'linux', architecture: 'arm', variant })

describe('resolveImage', () => {
  it('finds manifest and config of a single image and keeps both', async () => {
    const server = await use.server()
    const sample = sampleImage()
    seedRegistry(server, 'app', sample, '1')
    const store = openMemoryStore()
    const ref = parseReference(`${server.host}/app:1`)
    const image = await resolveImage(use.client(), { ref, platform: amd64, store }, testContext())
    expect(image).toMatchObject({
      name: `${server.host}/app:1`,
      descriptor: { ...sample.manifest, platform: amd64 },
      platform: amd64,
      config: { architecture: 'amd64' },
    })
    expect(image.index).toBeUndefined()
    expect(await store.has(sample.manifest)).toBe(true)
    expect(await store.has(sample.config)).toBe(true)
    const [layer] = sample.layers
    expect(layer && (await store.has(layer))).toBe(false)
  })

  it('needs one HEAD when the manifest is known, and nothing for a digest', async () => {
    const server = await use.server()
    const sample = sampleImage()
    seedRegistry(server, 'app', sample, '1')
    const store = openMemoryStore()
    const request = { platform: amd64, store }
    const byTag = { ...request, ref: parseReference(`${server.host}/app:1`) }
    await resolveImage(use.client(), byTag, testContext())
    server.requests.length = 0
    await resolveImage(use.client(), byTag, testContext())
    expect(server.requests.map((r) => `${r.method} ${r.url}`)).toEqual(['HEAD /v2/app/manifests/1'])
    server.requests.length = 0
    const byDigest = { ...request, ref: parseReference(`${server.host}/app@${sample.manifest.digest}`) }
    await resolveImage(use.client(), byDigest, testContext())
    expect(server.requests).toEqual([])
  })

  it('chooses the platform from an index, the nearest lesser variant, never an attestation', async () => {
    const server = await use.server()
    const platforms = [arm('v5'), arm('v6'), { os: 'linux', architecture: 'arm64', variant: 'v8' }, amd64]
    const entries = platforms.map((platform) => ({ platform, sample: sampleImage(platform) }))
    for (const { sample } of entries) seedRegistry(server, 'app', sample)
    const attestation = {
      ...describeBytes(mediaType.ociManifest, Buffer.from('{}')),
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    }
    const index = sampleIndex(entries, [attestation])
    server.addManifest('app', 'multi', mediaType.ociIndex, index.bytes)
    const store = openMemoryStore()
    const ref = parseReference(`${server.host}/app:multi`)
    const resolve = (platform: { os: string; architecture: string; variant?: string }) =>
      resolveImage(use.client(), { ref, platform, store }, testContext())
    expect((await resolve(arm('v7'))).descriptor.digest).toBe(entries[1]?.sample.manifest.digest)
    expect((await resolve(arm('v5'))).descriptor.digest).toBe(entries[0]?.sample.manifest.digest)
    expect((await resolve({ os: 'linux', architecture: 'arm64' })).descriptor.digest).toBe(
      entries[2]?.sample.manifest.digest,
    )
    expect((await resolve(amd64)).index).toEqual(index.descriptor)
    await expect(resolve({ os: 'linux', architecture: 's390x' })).rejects.toMatchObject({
      code: 'ERR_PLATFORM_MISSING',
      message: `resolve ${server.host}/app:multi: no match for platform in manifest: linux/s390x not found`,
      hint: 'the image exists for linux/arm/v5, linux/arm/v6, linux/arm64/v8, linux/amd64',
    })
    await expect(resolve({ os: 'unknown', architecture: 'unknown' })).rejects.toThrow('no match')
  })

  it('takes another platform for the right one only by digest of the index', async () => {
    const server = await use.server()
    const entries = [amd64, { os: 'linux', architecture: 'arm64' }].map((platform) => ({
      platform,
      sample: sampleImage(platform),
    }))
    for (const { sample } of entries) seedRegistry(server, 'app', sample)
    const index = sampleIndex(entries)
    server.addManifest('app', undefined, mediaType.ociIndex, index.bytes)
    const store = openMemoryStore()
    const ref = parseReference(`${server.host}/app@${index.descriptor.digest}`)
    const pulled = await pullImage(use.client(), { ref, platform: amd64, store }, testContext())
    expect(pulled.descriptor.digest).toBe(entries[0]?.sample.manifest.digest)
    const other = { os: 'linux', architecture: 'arm64' }
    const resolved = await resolveImage(use.client(), { ref, platform: other, store }, testContext())
    expect(resolved.descriptor.digest).toBe(entries[1]?.sample.manifest.digest)
  })

  it.each([
    ['manifest', /GET .*manifests/],
    ['config', /GET .*blobs/],
    ['token', /GET .*scope=/],
  ])(
    'asks again for a %s whose answer breaks off, and says what failed when all do',
    async (_what, asked) => {
      const server = await use.server({ auth: 'bearer', isPublic: true })
      seedRegistry(server, 'app', sampleImage(), '1')
      const ref = parseReference(`${server.host}/app:1`)
      const request = () => ({ ref, platform: amd64, store: openMemoryStore() })
      server.fail(asked, { kind: 'cut', bytes: 5 }, 2)
      await resolveImage(use.client(), request(), testContext())
      server.fail(asked, { kind: 'cut', bytes: 5 }, 100)
      await expect(resolveImage(use.client(), request(), testContext())).rejects.toMatchObject({
        code: 'ERR_REGISTRY_INTERRUPTED',
        message: expect.stringContaining(server.host),
      })
    },
  )

  it('gives a single image of another platform as it is', async () => {
    const server = await use.server()
    seedRegistry(server, 'app', sampleImage({ architecture: 'arm64' }), '1')
    const ref = parseReference(`${server.host}/app:1`)
    const request = { ref, platform: amd64, store: openMemoryStore() }
    expect((await resolveImage(use.client(), request, testContext())).platform.architecture).toBe('arm64')
  })

  it('fetches again what the store holds damaged', async () => {
    const server = await use.server()
    const sample = sampleImage()
    seedRegistry(server, 'app', sample, '1')
    const store = openMemoryStore()
    const ref = parseReference(`${server.host}/app:1`)
    const damaged = {
      ...store,
      has: async () => true,
      read: () => Promise.reject(Object.assign(new Error('x'), { code: 'ERR_DIGEST_MISMATCH' })),
    }
    await expect(
      resolveImage(use.client(), { ref, platform: amd64, store: damaged }, testContext()),
    ).rejects.toThrow('x')
  })
})

describe('a blob that is being read', () => {
  it('lets go of its connection as soon as its reader does', async () => {
    const server = await use.server()
    const sample = sampleImage({ layerSizes: [300_000] })
    seedRegistry(server, 'app', sample, '1')
    const [layer] = sample.layers
    if (layer === undefined) throw new Error('the sample has a layer')
    server.fail(/GET .*blobs/, { kind: 'stall', bytes: 1000 })
    const client = use.client({ timeouts: { connectMs: 2000, headersMs: 60_000, idleMs: 60_000 } })
    const body = await client.repository(parseReference(`${server.host}/app`)).open(layer)
    for await (const _ of body) break
    await new Promise((closed) => body.once('close', closed))
  })
})

describe('pullImage', () => {
  it.each(['oci', 'docker'] as const)('brings a whole %s image under its name', async (style) => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    const sample = sampleImage({ style, layerSizes: [300_000, 1, 5000, 40] })
    seedRegistry(server, 'team/app', sample, '1')
    const store = openMemoryStore()
    const cx = testContext()
    const ref = parseReference(`${server.host}/team/app:1`)
    await pullImage(use.client(), { ref, platform: amd64, store }, cx)
    const named = await store.resolve(`${server.host}/team/app:1`)
    expect(named?.digest).toBe(sample.manifest.digest)
    for (const [i, layer] of sample.layers.entries()) {
      expect((await store.read(layer, 1 << 20)).equals(sample.layerBytes[i] ?? Buffer.alloc(0))).toBe(true)
      expect(await store.origins(layer.digest)).toEqual([`${server.host}/team/app`])
      const last = cx.events.filter((e) => e.type === 'progress' && e.what === layer.digest).at(-1)
      expect(last).toMatchObject({ current: layer.size, total: layer.size, unit: 'bytes', done: true })
    }
    const step = `pull ${server.host}/team/app:1`
    expect(cx.events[0]).toEqual({ type: 'task-started', step, title: step })
    expect(cx.events.at(-1)).toEqual({ type: 'task-finished', step })
  })

  it('fetches only what is missing', async () => {
    const server = await use.server()
    const shared = randomBytes(100)
    const [first, second] = [
      sampleImage({ layers: [shared] }),
      sampleImage({ layers: [shared, randomBytes(9)] }),
    ]
    seedRegistry(server, 'app', second, '2')
    const store = openMemoryStore()
    await seedStore(store, first)
    await pullImage(
      use.client(),
      { ref: parseReference(`${server.host}/app:2`), platform: amd64, store },
      testContext(),
    )
    expect(server.count(new RegExp(`GET .*${first.layers[0]?.digest}`))).toBe(0)
    expect(server.count(new RegExp(`GET .*${second.layers[1]?.digest}`))).toBe(1)
  })

  it('tries a layer once more from the start when its parts do not fit together', async () => {
    const server = await use.server()
    const sample = sampleImage({ layers: [randomBytes(300_000)] })
    seedRegistry(server, 'app', sample, '1')
    const blob = new RegExp(`GET .*/blobs/${sample.layers[0]?.digest}`)
    server.fail(blob, { kind: 'cut', bytes: 100_000 })
    server.fail(blob, { kind: 'corrupt' })
    const store = openMemoryStore()
    await pullImage(
      use.client(),
      { ref: parseReference(`${server.host}/app:1`), platform: amd64, store },
      testContext(),
    )
    expect(
      server.requests.filter((r) => blob.test(`${r.method} ${r.url}`)).map((r) => r.headers.range),
    ).toEqual([undefined, 'bytes=100000-', undefined])
  })

  it('lets several processes that share a store fetch every blob once', async () => {
    const server = await use.server()
    const sample = sampleImage({ layerSizes: [400_000, 300_000, 20] })
    seedRegistry(server, 'app', sample, '1')
    for (const layer of sample.layers) {
      server.fail(new RegExp(`GET .*${layer.digest}`), { kind: 'slow', chunkBytes: 100_000, delayMs: 10 })
    }
    await withDirectory(async (directory) => {
      const ref = parseReference(`${server.host}/app:1`)
      const pulls = [1, 2, 3].map(async () => {
        const store = await openContentStore(`${directory}/store`, testNative())
        await pullImage(use.client(), { ref, platform: amd64, store }, testContext())
      })
      await Promise.all(pulls)
    })
    for (const layer of sample.layers) expect(server.count(new RegExp(`GET .*${layer.digest}`))).toBe(1)
  })

  it('leaves no name behind when a layer is wrong', async () => {
    const server = await use.server()
    const sample = sampleImage()
    seedRegistry(server, 'app', sample, '1')
    server.fail(new RegExp(`GET .*/blobs/${sample.layers[0]?.digest}`), { kind: 'corrupt' }, 9)
    const store = openMemoryStore()
    const cx = testContext()
    const pulling = pullImage(
      use.client(),
      { ref: parseReference(`${server.host}/app:1`), platform: amd64, store },
      cx,
    )
    await expect(pulling).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' })
    expect(await store.list()).toEqual([])
    expect(cx.events.at(-1)).toMatchObject({ type: 'task-failed', error: { code: 'ERR_DIGEST_MISMATCH' } })
  })

  it('fetches single layers for steps that need them', async () => {
    const server = await use.server()
    const sample = sampleImage({ layerSizes: [1000, 2000, 3000] })
    seedRegistry(server, 'app', sample, '1')
    const store = openMemoryStore()
    const cx = testContext()
    const layers = sample.layers.slice(1)
    await pullLayers(use.client(), { source: `${server.host}/app:1`, layers, store, step: 'step' }, cx)
    expect(await Promise.all(sample.layers.map((layer) => store.has(layer)))).toEqual([false, true, true])
    expect(cx.events.every((e) => e.type === 'progress' && e.step === 'step')).toBe(true)
  })
})
