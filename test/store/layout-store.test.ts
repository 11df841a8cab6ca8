import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { openContentStore } from '../../src/store/layout-store.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { type StoreProblem, verifyStore } from '../../src/store/verify.ts'
import { tryLock } from '../../src/sys/lock.ts'
import { describeContentStore, readAll } from '../contract/content-store.ts'
import { sampleImage, sampleIndex, seedStore } from '../registry/sample-image.ts'
import { testNative } from '../sys/native.ts'

const run = promisify(execFile)
const octets = 'application/octet-stream'
const indexType = 'application/vnd.oci.image.index.v1+json'
const native = testNative()
const { signal } = new AbortController()

let root: string
let directory: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-store-'))
  directory = join(root, 'store-v1')
})
afterEach(() => rm(root, { recursive: true }))

const verify = async (): Promise<readonly StoreProblem[]> => verifyStore(directory, native, { signal })

describeContentStore('layout store', async () => ({
  store: await openContentStore(directory, native),
  leftovers: () => readdir(join(directory, 'ingest')),
  close: async () => expect(await verify()).toEqual([]),
}))

describe('the layout store', () => {
  const open = (): Promise<ContentStore> => openContentStore(directory, native)

  it('is private, and its blobs cannot be written', async () => {
    const store = await open()
    const stored = await store.put({ mediaType: octets }, Buffer.from('x'))
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect((await stat(store.path(stored.digest))).mode & 0o777).toBe(0o444)
    expect(store.path(stored.digest)).toBe(join(directory, 'blobs/sha256', hexOf(stored.digest)))
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

  it('puts a damaged blob aside and says where, so that it can be had again', async () => {
    const store = await open()
    const bytes = randomBytes(100_000)
    const blob = await store.put({ mediaType: octets }, bytes)
    const path = store.path(blob.digest)
    await chmod(path, 0o600)
    await writeFile(path, Buffer.alloc(100_000))
    const failure = await readAll(await store.open(blob)).catch((thrown: unknown) => thrown)
    expect(failure).toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
      message: expect.stringContaining(path),
      hint: expect.stringMatching(/damaged.* pull or build the image again/),
    })
    expect(await store.has(blob)).toBe(false)
    expect(await readdir(join(directory, 'damaged'))).toHaveLength(1)
    await store.put(blob, bytes)
    expect((await store.read(blob, 100_000)).equals(bytes)).toBe(true)
  })

  it('counts a blob that was cut short as missing and replaces it', async () => {
    const store = await open()
    const bytes = randomBytes(1000)
    const blob = await store.put({ mediaType: octets }, bytes)
    await truncate(store.path(blob.digest), 10)
    expect(await store.has(blob)).toBe(false)
    await store.put(blob, bytes)
    expect((await store.read(blob, 1000)).equals(bytes)).toBe(true)
  })

  it('sweeps what a dead writer has left, but not what a living one writes', async () => {
    const store = await open()
    await writeFile(join(directory, 'ingest', 'dead'), 'x')
    const [body, end] = held()
    const putting = store.put({ mediaType: octets }, body)
    await expect.poll(async () => (await readdir(join(directory, 'ingest'))).length).toBe(2)
    await open()
    expect(await readdir(join(directory, 'ingest'))).toHaveLength(2)
    end()
    await putting
    expect(await readdir(join(directory, 'ingest'))).toEqual(['dead'])
    expect(await verify()).toMatchObject([{ kind: 'leftover' }])
    await open()
    expect(await readdir(join(directory, 'ingest'))).toEqual([])
  })

  it('sweeps locks that went with a dead process, not those that are held or stay', async () => {
    const store = await open()
    const locks = join(directory, 'locks')
    const [dead = '', held = ''] = ['1', '2'].map((digit) => `op-${digit.repeat(64)}`)
    for (const name of [dead, `cache-${'4'.repeat(64)}-0-make`, 'snapshot-5', 'index'])
      await writeFile(join(locks, name), '')
    await using _held = await tryLock(join(locks, held), { native })
    const digest = digestOf('x')
    await store.exclusive(digest, signal, async () => {
      await open()
      const left = await readdir(locks)
      expect(left).toEqual(expect.arrayContaining([held, `blob-${hexOf(digest)}`, 'snapshot-5', 'index']))
      expect(left.filter((name) => name === dead || name.endsWith('-make'))).toEqual([])
    })
    await open()
    expect(await readdir(locks)).not.toContain(`blob-${hexOf(digest)}`)
  })

  it('survives writers that are killed in the middle', { timeout: 120_000 }, async () => {
    await open()
    const script = await bundledWriter(root)
    for (let i = 0; i < 4; i++) {
      const options = { killSignal: 'SIGKILL', timeout: 400 + i * 150 } as const
      const writer = run(process.execPath, [script, directory], options)
      await writer.catch(() => undefined)
    }
    const store = await open()
    expect(await verify()).toEqual([])
    expect(await readdir(join(directory, 'ingest'))).toEqual([])
    const images = await store.list()
    expect(images.length).toBeGreaterThan(0)
    for (const { descriptor } of images) expect(await store.has(descriptor)).toBe(true)
  })

  it('is read by skopeo and umoci under full names', async () => {
    const store = await open()
    const layer = await tarOf(root, 'hello')
    const sample = sampleImage({ layers: [layer] })
    await seedStore(store, sample, 'docker.io/library/app:1.2')
    await seedStore(
      store,
      sampleImage({ layers: [layer], architecture: 'arm64' }),
      '127.0.0.1:5000/team/app:1.2',
    )
    const image = `oci:${directory}:docker.io/library/app:1.2`
    const { stdout } = await run('skopeo', ['inspect', image])
    expect(JSON.parse(stdout)).toMatchObject({ Digest: sample.manifest.digest, Architecture: 'amd64' })
    const other = await run('skopeo', ['inspect', `oci:${directory}:127.0.0.1:5000/team/app:1.2`])
    expect(JSON.parse(other.stdout)).toMatchObject({ Architecture: 'arm64' })
    await run('skopeo', ['copy', '--quiet', image, `oci:${root}/copy:x`])
    const listed = await run('umoci', ['ls', '--layout', directory])
    expect(listed.stdout.trim().split('\n').sort()).toEqual([
      '127.0.0.1:5000/team/app:1.2',
      'docker.io/library/app:1.2',
    ])
    await run('umoci', [
      'raw',
      'unpack',
      '--image',
      `${directory}:docker.io/library/app:1.2`,
      join(root, 'rootfs'),
    ])
    expect(await readFile(join(root, 'rootfs/hello'), 'utf8')).toBe('hello\n')
  })

  it('says what is wrong when the directory cannot be used', async () => {
    await writeFile(directory, 'a file')
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STORE_LAYOUT',
      message: expect.stringContaining(directory),
    })
    await rm(directory)
    await mkdir(directory)
    await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"9"}')
    await expect(open()).rejects.toThrow('unknown version')
    await writeFile(join(directory, 'oci-layout'), '{')
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' })
  })

  it('does not lose a damaged index.json by writing over it', async () => {
    const store = await open()
    const blob = await store.put({ mediaType: octets }, Buffer.from('x'))
    for (const text of ['{', '[]', '{"schemaVersion":2,"manifests":[{"digest":"sha256:x"}]}']) {
      await writeFile(join(directory, 'index.json'), text)
      await expect(store.tag('h/a:1', blob)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' })
      expect(await readFile(join(directory, 'index.json'), 'utf8')).toBe(text)
      expect(await verify()).toMatchObject([{ kind: 'index' }])
    }
    await writeFile(join(directory, 'index.json'), '{"schemaVersion":2,"manifests":[]}')
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
    await writeFile(join(directory, 'index.json'), JSON.stringify(index))
    await seedStore(store, sampleImage(), 'h/app:1')
    const written = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8'))
    expect(written.annotations).toEqual({ a: 'b' })
    expect(written.manifests[0]).toEqual(foreign)
    expect(await store.resolve('theirs')).toMatchObject({ digest: foreign.digest })
    await store.untag('theirs')
  })

  it('says in one line that the disk is full, and leaves nothing (needs root: mounts a tmpfs)', {
    skip: process.getuid?.() !== 0,
  }, async () => {
    await mkdir(directory)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
    try {
      const store = await open()
      const body = Readable.from([randomBytes(600_000), randomBytes(600_000)])
      await expect(store.put({ mediaType: octets }, body)).rejects.toMatchObject({
        code: 'ERR_STORE_FULL',
        message: expect.stringMatching(/^write .*ingest.*: no space left on device$/),
        hint: expect.any(String),
      })
      expect(await readdir(join(directory, 'ingest'))).toEqual([])
      await run('mount', ['-o', 'remount,ro', directory])
      await expect(store.put({ mediaType: octets }, Buffer.from('x'))).rejects.toMatchObject({
        code: 'ERR_STORE_READ_ONLY',
      })
    } finally {
      await run('umount', ['-l', directory])
    }
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

describe('verifyStore', () => {
  it('names everything that is wrong', async () => {
    const store = await openContentStore(directory, native)
    const [whole, broken, gone, lying] = [sampleImage(), sampleImage(), sampleImage(), sampleImage()]
    await seedStore(store, whole, 'h/whole:1')
    await seedStore(store, broken, 'h/broken:1')
    await seedStore(store, gone, 'h/gone:1')
    await seedStore(store, lying)
    const index = sampleIndex(
      [{ sample: lying }].map(({ sample }) => ({
        sample: { ...sample, manifest: { ...sample.manifest, size: 5 } },
      })),
    )
    await store.put(index.descriptor, index.bytes)
    await store.tag('h/lying:1', index.descriptor)
    expect((await verify()).map((p) => p.kind)).toEqual(['manifest'])
    const path = store.path(broken.layers[0]?.digest ?? digestOf(''))
    await chmod(path, 0o600)
    await writeFile(path, 'rot')
    await rm(store.path(gone.config.digest))
    await writeFile(join(directory, 'blobs/sha256/stray'), '')
    const problems = await verify()
    expect(problems).toHaveLength(5)
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'blob', path }),
        expect.objectContaining({ kind: 'blob', message: expect.stringContaining('stray') }),
        expect.objectContaining({
          kind: 'missing',
          message: `h/broken:1: blob ${broken.layers[0]?.digest} is missing or damaged`,
        }),
        expect.objectContaining({
          kind: 'missing',
          message: `h/gone:1: blob ${gone.config.digest} is missing or damaged`,
        }),
        expect.objectContaining({ kind: 'manifest', message: expect.stringContaining('h/lying:1') }),
      ]),
    )
  })

  it('neither follows links nor waits for pipes', async () => {
    await openContentStore(directory, native)
    const blobs = join(directory, 'blobs/sha256')
    await symlink('/dev/zero', join(blobs, 'a'.repeat(64)))
    await run('mkfifo', [join(blobs, 'b'.repeat(64))])
    await mkdir(join(blobs, 'c'.repeat(64)))
    expect((await verify()).map(({ kind }) => kind)).toEqual(['blob', 'blob', 'blob'])
  })

  it('looks once at what an index lists a thousand times', async () => {
    const store = await openContentStore(directory, native)
    const image = sampleImage()
    await seedStore(store, image)
    let listed: Descriptor = image.manifest
    for (let depth = 0; depth < 3; depth++) {
      const manifests = Array.from({ length: 1000 }, () => listed)
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }))
      listed = { mediaType: indexType, digest: digestOf(bytes), size: bytes.length }
      await store.put(listed, bytes)
    }
    await store.tag('h/bomb:1', listed)
    expect(await verify()).toEqual([])
  })

  it('says that there is no store', async () => {
    expect(await verify()).toMatchObject([
      { kind: 'layout', message: expect.stringContaining('does not exist') },
    ])
  })
})

/** A body that stays open until the returned function is called. */
function held(): [Readable, () => void] {
  const body = new Readable({ read: () => undefined })
  body.push('started')
  return [
    body,
    () => {
      body.push(null)
    },
  ]
}

async function tarOf(at: string, name: string): Promise<Buffer> {
  await writeFile(join(at, name), `${name}\n`)
  await run('tar', ['-C', at, '-cf', join(at, 'layer.tar'), name])
  return await readFile(join(at, 'layer.tar'))
}

/** A program that puts and tags blobs as fast as it can until it is killed. */
async function bundledWriter(at: string): Promise<string> {
  const source = new URL('../../src', import.meta.url).pathname
  const dist = join(native.helper, '..')
  const contents = `
    import { randomBytes } from 'node:crypto'
    import { openContentStore } from '${source}/store/layout-store.ts'
    import { openNative } from '${source}/sys/native.ts'
    async function main() {
      const store = await openContentStore(process.argv[2], openNative('${dist}'))
      for (let i = 0; ; i++) {
        await Promise.all([1, 2, 3].map(async (n) => {
          const blob = await store.put({ mediaType: 'a/b' }, randomBytes(2_000_000))
          await store.tag('h/' + process.pid + ':' + i + '-' + n, blob)
        }))
      }
    }
    main()`
  const outfile = join(at, 'writer.cjs')
  const stdin = { contents, resolveDir: at, loader: 'ts' } as const
  await build({ stdin, outfile, bundle: true, platform: 'node', format: 'cjs', target: 'node20' })
  return outfile
}
