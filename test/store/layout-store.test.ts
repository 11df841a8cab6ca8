// What the store on disk promises, and what others see of its directory.
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { describeContentStore } from '../contract/content-store.ts'
import { sampleImage, seedStore } from '../registry/sample-image.ts'
import { octets, storeRig } from './store-rig.ts'

const run = promisify(execFile)

const at = storeRig()
const { open, verify } = at

describeContentStore('layout store', async () => ({
  store: await open(),
  leftovers: () => readdir(join(at.directory, 'ingest')),
  close: async () => expect(await verify()).toEqual([]),
}))

describe('the layout store', () => {
  it('is private, and its blobs cannot be written', async () => {
    const store = await open()
    const stored = await store.put({ mediaType: octets }, Buffer.from('x'))
    expect((await stat(at.directory)).mode & 0o777).toBe(0o700)
    expect((await stat(store.path(stored.digest))).mode & 0o777).toBe(0o444)
    expect(store.path(stored.digest)).toBe(join(at.directory, 'blobs/sha256', hexOf(stored.digest)))
  })

  it('keeps everything for the next one who opens it', async () => {
    const sample = sampleImage()
    await seedStore(await open(), sample, 'docker.io/library/app:1')
    const again = await open()
    expect(await again.resolve('docker.io/library/app:1')).toEqual(sample.manifest)
    expect((await again.read(sample.config, 10_000)).equals(sample.configBytes)).toBe(true)
  })

  it('can be opened by many at once when it does not exist yet', async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, open))
    const sample = sampleImage()
    await Promise.all(stores.map((store, i) => seedStore(store, sample, `h/app:${i}`)))
    expect(await (await open()).list()).toHaveLength(8)
    expect(await verify()).toEqual([])
  })

  it('writes bytes again only when the blob does not hold them', async () => {
    const store = await open()
    const bytes = Buffer.from('{"schemaVersion":2}')
    const stored = await store.put({ mediaType: 'x' }, bytes)
    const path = store.path(stored.digest)
    const { ino } = await stat(path)
    expect(await store.put({ mediaType: 'x' }, bytes)).toEqual(stored)
    expect((await stat(path)).ino).toBe(ino)
    await expect(store.put({ mediaType: 'x', size: 3 }, bytes)).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
    await writeFile(`${path}.rot`, 'x'.repeat(bytes.length))
    await rename(`${path}.rot`, path)
    await store.put({ mediaType: 'x' }, bytes)
    expect(await readFile(path)).toEqual(bytes)
  })

  it.each([
    [0, true],
    [30_000, true],
    [50_000, false],
  ])('looks for %d bytes that come in pieces before it writes them, if they are few', async (size, isFew) => {
    const store = await open()
    const bytes = Buffer.alloc(size, 'some ')
    const put = () => {
      async function* pieces() {
        const piece = Buffer.alloc(4096)
        for (let at = 0; at < size; at += piece.length)
          yield piece.subarray(0, bytes.copy(piece, 0, at, at + piece.length))
      }
      return store.putPieces('x', pieces(), new AbortController().signal)
    }
    const stored = await put()
    const path = store.path(stored.digest)
    const { ino } = await stat(path)
    expect(await put()).toEqual(stored)
    if (isFew) expect((await stat(path)).ino).toBe(ino)
    await writeFile(`${path}.rot`, 'x'.repeat(size))
    await rename(`${path}.rot`, path)
    await put()
    expect(await readFile(path)).toEqual(bytes)
  })

  it('is read by skopeo and umoci under full names', async () => {
    const store = await open()
    const layer = await tarOf(at.root, 'hello')
    const sample = sampleImage({ layers: [layer] })
    await seedStore(store, sample, 'docker.io/library/app:1.2')
    await seedStore(
      store,
      sampleImage({ layers: [layer], architecture: 'arm64' }),
      '127.0.0.1:5000/team/app:1.2',
    )
    const image = `oci:${at.directory}:docker.io/library/app:1.2`
    const { stdout } = await run('skopeo', ['inspect', image])
    expect(JSON.parse(stdout)).toMatchObject({ Digest: sample.manifest.digest, Architecture: 'amd64' })
    const other = await run('skopeo', ['inspect', `oci:${at.directory}:127.0.0.1:5000/team/app:1.2`])
    expect(JSON.parse(other.stdout)).toMatchObject({ Architecture: 'arm64' })
    await run('skopeo', ['copy', '--quiet', image, `oci:${at.root}/copy:x`])
    const listed = await run('umoci', ['ls', '--layout', at.directory])
    expect(listed.stdout.trim().split('\n').sort()).toEqual([
      '127.0.0.1:5000/team/app:1.2',
      'docker.io/library/app:1.2',
    ])
    await run('umoci', [
      'raw',
      'unpack',
      '--image',
      `${at.directory}:docker.io/library/app:1.2`,
      join(at.root, 'rootfs'),
    ])
    expect(await readFile(join(at.root, 'rootfs/hello'), 'utf8')).toBe('hello\n')
  })

  it('keeps what other tools wrote into index.json', async () => {
    const store = await open()
    const foreign = {
      mediaType: 'a/b',
      digest: digestOf('f'),
      size: 1,
      annotations: { 'org.opencontainers.image.ref.name': 'theirs', x: 'y' },
    }
    const index = { schemaVersion: 2, manifests: [foreign], annotations: { a: 'b' } }
    await writeFile(join(at.directory, 'index.json'), JSON.stringify(index))
    await seedStore(store, sampleImage(), 'h/app:1')
    const written = JSON.parse(await readFile(join(at.directory, 'index.json'), 'utf8'))
    expect(written.annotations).toEqual({ a: 'b' })
    expect(written.manifests[0]).toEqual(foreign)
    expect(await store.resolve('theirs')).toMatchObject({ digest: foreign.digest })
    await store.untag('theirs')
  })

  it('streams large blobs in little memory', async () => {
    const store = await open()
    const piece = randomBytes(1 << 20)
    const count = 400
    const hash = createHash('sha256')
    for (let i = 0; i < count; i++) hash.update(piece)
    function* pieces() {
      for (let i = 0; i < count; i++) yield piece
    }
    const blob: Descriptor = {
      mediaType: octets,
      digest: `sha256:${hash.digest('hex')}` as Descriptor['digest'],
      size: count << 20,
    }
    const before = process.memoryUsage().rss
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss - before)
    }, 5)
    await store.put(blob, Readable.from(pieces()))
    let read = 0
    for await (const chunk of await store.open(blob)) read += (chunk as Buffer).byteLength
    clearInterval(watch)
    expect(read).toBe(blob.size)
    expect(most).toBeLessThan(150 << 20)
  })
})

async function tarOf(at: string, name: string): Promise<Buffer> {
  await writeFile(join(at, name), `${name}\n`)
  await run('tar', ['-C', at, '-cf', join(at, 'layer.tar'), name])
  return await readFile(join(at, 'layer.tar'))
}
