import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { parseReference } from '../../src/core/reference.ts'
import { pullImage } from '../../src/registry/pull.ts'
import { pushImage } from '../../src/registry/push.ts'
import { openContentStore } from '../../src/store/layout-store.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { readAll } from '../contract/content-store.ts'
import { type DebianRegistry, hasDebianRegistry, startDebianRegistry } from '../support/debian-registry.ts'
import { testNative } from '../sys/native.ts'
import { loggedIn, password, testContext, useRegistries } from './open-test-registry.ts'
import { sampleImage, sampleIndex, seedStore } from './sample-image.ts'

const run = promisify(execFile)
const use = useRegistries()
const patient = { timeouts: { connectMs: 5000, headersMs: 10_000, idleMs: 10_000 } }
const platform = { os: 'linux', architecture: 'amd64' }

describe.skipIf(!hasDebianRegistry)('with the docker-registry of Debian (needs docker-registry)', () => {
  let root: string
  let registry: DebianRegistry
  const open = (name: string): Promise<ContentStore> => openContentStore(join(root, name), testNative())
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'slipway-peer-'))
  })
  afterEach(async () => {
    await registry[Symbol.asyncDispose]()
    await rm(root, { recursive: true })
  })

  it.each(['oci', 'docker'] as const)(
    'pushes a %s image that skopeo reads, and pulls it again',
    async (style) => {
      registry = await startDebianRegistry()
      const sample = sampleImage({ style, layerSizes: [700_000, 10, 30_000] })
      const store = await open('store')
      await seedStore(store, sample)
      const ref = parseReference(`${registry.host}/team/app:1`)
      await pushImage(use.client(patient), { store, ref, descriptor: sample.manifest }, testContext())
      const { stdout } = await run('skopeo', [
        'inspect',
        '--tls-verify=false',
        '--raw',
        `docker://${registry.host}/team/app:1`,
      ])
      expect(stdout).toBe(sample.manifestBytes.toString())
      const other = await open('other')
      await pullImage(use.client(patient), { ref, platform, store: other }, testContext())
      expect((await other.resolve(`${registry.host}/team/app:1`))?.digest).toBe(sample.manifest.digest)
      for (const layer of sample.layers) expect(await other.has(layer)).toBe(true)
    },
  )

  it('pulls what skopeo pushed, from an index too, and mounts between repositories', async () => {
    registry = await startDebianRegistry()
    const samples = ['amd64', 'arm64'].map((architecture) => sampleImage({ architecture }))
    const store = await open('store')
    for (const sample of samples) await seedStore(store, sample)
    const index = sampleIndex(
      samples.map((sample, i) => ({
        sample,
        platform: { os: 'linux', architecture: i === 0 ? 'amd64' : 'arm64' },
      })),
    )
    await store.put(index.descriptor, index.bytes)
    await store.tag('multi:1', index.descriptor)
    const [from, to] = [`oci:${join(root, 'store')}:multi:1`, `docker://${registry.host}/multi:1`]
    await run('skopeo', [
      'copy',
      '--all',
      '--preserve-digests',
      '--quiet',
      '--dest-tls-verify=false',
      from,
      to,
    ])
    const pulled = await open('pulled')
    const ref = parseReference(`${registry.host}/multi:1`)
    const image = await pullImage(
      use.client(patient),
      { ref, platform: { os: 'linux', architecture: 'arm64' }, store: pulled },
      testContext(),
    )
    expect(image.descriptor.digest).toBe(samples[1]?.manifest.digest)
    expect(image.index?.digest).toBe(index.descriptor.digest)
    // Without its layers here, so that they can only have been mounted.
    const bare = openMemoryStore()
    await bare.put(image.descriptor, samples[1]?.manifestBytes ?? Buffer.alloc(0))
    for (const blob of [image.manifest.config, ...image.manifest.layers])
      await bare.addOrigin(blob.digest, `${registry.host}/multi`)
    await bare.put(image.manifest.config, samples[1]?.configBytes ?? Buffer.alloc(0))
    const copy = parseReference(`${registry.host}/copy/of:2`)
    await pushImage(
      use.client(patient),
      { store: bare, ref: copy, descriptor: image.descriptor },
      testContext(),
    )
    expect(await use.client(patient).repository(copy).head('2')).toMatchObject({
      digest: image.descriptor.digest,
    })
  })

  it('logs in with the password of docker’s config.json', async () => {
    registry = await startDebianRegistry({ auth: true })
    const sample = sampleImage()
    const store = openMemoryStore()
    await seedStore(store, sample)
    const ref = parseReference(`${registry.host}/app:1`)
    const push = (environment: Readonly<Record<string, string>>) =>
      pushImage(
        use.client({ ...patient, environment }),
        { store, ref, descriptor: sample.manifest },
        testContext(),
      )
    await expect(push({})).rejects.toMatchObject({ code: 'ERR_REGISTRY_UNAUTHORIZED' })
    await expect(push(loggedIn(registry.host, password('user', 'wrong')))).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNAUTHORIZED',
    })
    await push(loggedIn(registry.host, password()))
    const environment = loggedIn(registry.host, password())
    await pullImage(
      use.client({ ...patient, environment }),
      { ref, platform, store: openMemoryStore() },
      testContext(),
    )
  })

  it('survives broken uploads, and goes on with a broken download', async () => {
    registry = await startDebianRegistry()
    const sample = sampleImage({ layers: [randomBytes(6_000_000)] })
    const store = openMemoryStore()
    await seedStore(store, sample)
    const cutter = await startCutter(registry.host)
    try {
      const ref = parseReference(`${cutter.host}/app:1`)
      cutter.cutAfter('up', 2_500_000)
      await pushImage(use.client(patient), { store, ref, descriptor: sample.manifest }, testContext())
      expect(cutter.cuts()).toBe(1)
      // This registry forgets an upload whose connection broke, so all of it is sent once more.
      expect(cutter.sentBytes('up')).toBeLessThan(9_000_000)
      cutter.cutAfter('down', 2_500_000)
      const pulled = openMemoryStore()
      await pullImage(use.client(patient), { ref, platform, store: pulled }, testContext())
      expect(cutter.cuts()).toBe(2)
      expect(cutter.sentBytes('down')).toBeLessThan(8_000_000)
    } finally {
      await cutter.close()
    }
  })

  it('takes blobs of unknown size and of none', async () => {
    registry = await startDebianRegistry()
    const repository = use
      .client(patient)
      .repository({ registry: registry.host, repository: 'app' }, { push: true })
    const bytes = randomBytes(3_000_000)
    const stored = await repository.put(
      { mediaType: 'a/b' },
      Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]),
    )
    expect((await readAll(await repository.open(stored))).equals(bytes)).toBe(true)
    const empty = await repository.put({ mediaType: 'a/b' }, Buffer.alloc(0))
    expect(await readAll(await repository.open(empty))).toHaveLength(0)
    const lie: Descriptor = { ...stored, digest: empty.digest, size: stored.size - 1 }
    await expect(repository.put(lie, bytes.subarray(1))).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
  })

  it('moves large layers in little memory', { timeout: 120_000 }, async () => {
    registry = await startDebianRegistry()
    const store = await open('store')
    const piece = randomBytes(1 << 20)
    const layer = await store.put(
      { mediaType: 'application/vnd.oci.image.layer.v1.tar' },
      Readable.from(repeat(piece, 300)),
    )
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
      }),
    )
    const configured = await store.put({ mediaType: 'application/vnd.oci.image.config.v1+json' }, config)
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: configured, layers: [layer] }))
    const descriptor = await store.put({ mediaType: 'application/vnd.oci.image.manifest.v1+json' }, manifest)
    const ref = parseReference(`${registry.host}/big:1`)
    const before = process.memoryUsage().rss
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss - before)
    }, 5)
    await pushImage(use.client(patient), { store, ref, descriptor }, testContext())
    await pullImage(use.client(patient), { ref, platform, store: await open('other') }, testContext())
    clearInterval(watch)
    expect(most).toBeLessThan(150 << 20)
  })
})

function* repeat(piece: Buffer, times: number): Generator<Buffer> {
  for (let i = 0; i < times; i++) yield piece
}

/** A TCP relay that breaks one connection after so many bytes in one direction. */
async function startCutter(target: string) {
  const [host = '', port = ''] = target.split(':')
  const sent = { up: 0, down: 0 }
  let plan: { readonly direction: 'up' | 'down'; readonly bytes: number } | undefined
  let cuts = 0
  const server: Server = createServer((client) => {
    const upstream = connect(Number(port), host)
    const passed = { up: 0, down: 0 }
    const relay = (direction: 'up' | 'down', chunk: Buffer): void => {
      passed[direction] += chunk.byteLength
      sent[direction] += chunk.byteLength
      const to = direction === 'up' ? upstream : client
      const from = direction === 'up' ? client : upstream
      if (plan?.direction === direction && passed[direction] >= plan.bytes) {
        plan = undefined
        cuts++
        to.end(chunk, () => setTimeout(() => to.destroy(), 50))
        from.destroy()
        if (direction === 'up') client.resetAndDestroy()
      } else if (!to.write(chunk)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    }
    client.on('data', (chunk) => relay('up', chunk))
    upstream.on('data', (chunk) => relay('down', chunk))
    client.on('error', () => upstream.destroy()).on('close', () => upstream.end())
    upstream.on('error', () => client.destroy()).on('close', () => client.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAfter(direction: 'up' | 'down', bytes: number) {
      plan = { direction, bytes }
    },
    cuts: () => cuts,
    sentBytes: (direction: 'up' | 'down') => sent[direction],
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}
