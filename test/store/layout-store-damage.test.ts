// What the store on disk does when something is in its way: damage, killed writers, a full disk.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { tryLock } from '../../src/sys/lock.ts'
import { readAll } from '../contract/content-store.ts'
import { native, octets, storeRig } from './store-rig.ts'

const run = promisify(execFile)
const { signal } = new AbortController()

const at = storeRig()
const { open, verify } = at

describe('the layout store', () => {
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
    expect(await readdir(join(at.directory, 'damaged'))).toHaveLength(1)
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
    await writeFile(join(at.directory, 'ingest', 'dead'), 'x')
    const [body, end] = held()
    const putting = store.put({ mediaType: octets }, body)
    await expect.poll(async () => (await readdir(join(at.directory, 'ingest'))).length).toBe(2)
    await open()
    expect(await readdir(join(at.directory, 'ingest'))).toHaveLength(2)
    end()
    await putting
    expect(await readdir(join(at.directory, 'ingest'))).toEqual(['dead'])
    expect(await verify()).toMatchObject([{ kind: 'leftover' }])
    await open()
    expect(await readdir(join(at.directory, 'ingest'))).toEqual([])
  })

  it('sweeps locks that went with a dead process, not those that are held or stay', async () => {
    const store = await open()
    const locks = join(at.directory, 'locks')
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
    const script = await bundledWriter(at.root)
    for (let i = 0; i < 4; i++) {
      const options = { killSignal: 'SIGKILL', timeout: 400 + i * 150 } as const
      const writer = run(process.execPath, [script, at.directory], options)
      await writer.catch(() => undefined)
    }
    const store = await open()
    expect(await verify()).toEqual([])
    expect(await readdir(join(at.directory, 'ingest'))).toEqual([])
    const images = await store.list()
    expect(images.length).toBeGreaterThan(0)
    for (const { descriptor } of images) expect(await store.has(descriptor)).toBe(true)
  })

  it('says what is wrong when the directory cannot be used', async () => {
    await writeFile(at.directory, 'a file')
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STORE_LAYOUT',
      message: expect.stringContaining(at.directory),
    })
    await rm(at.directory)
    await mkdir(at.directory)
    await writeFile(join(at.directory, 'oci-layout'), '{"imageLayoutVersion":"9"}')
    await expect(open()).rejects.toThrow('unknown version')
    await writeFile(join(at.directory, 'oci-layout'), '{')
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' })
  })

  it('does not lose a damaged index.json by writing over it', async () => {
    const store = await open()
    const blob = await store.put({ mediaType: octets }, Buffer.from('x'))
    for (const text of ['{', '[]', '{"schemaVersion":2,"manifests":[{"digest":"sha256:x"}]}']) {
      await writeFile(join(at.directory, 'index.json'), text)
      await expect(store.tag('h/a:1', blob)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' })
      expect(await readFile(join(at.directory, 'index.json'), 'utf8')).toBe(text)
      expect(await verify()).toMatchObject([{ kind: 'index' }])
    }
    await writeFile(join(at.directory, 'index.json'), '{"schemaVersion":2,"manifests":[]}')
  })

  it('says in one line that the disk is full, and leaves nothing (needs root: mounts a tmpfs)', {
    skip: process.getuid?.() !== 0,
  }, async () => {
    await mkdir(at.directory)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at.directory])
    try {
      const store = await open()
      const body = Readable.from([randomBytes(600_000), randomBytes(600_000)])
      await expect(store.put({ mediaType: octets }, body)).rejects.toMatchObject({
        code: 'ERR_STORE_FULL',
        message: expect.stringMatching(/^write .*ingest.*: no space left on device$/),
        hint: expect.any(String),
      })
      expect(await readdir(join(at.directory, 'ingest'))).toEqual([])
      await run('mount', ['-o', 'remount,ro', at.directory])
      await expect(store.put({ mediaType: octets }, Buffer.from('x'))).rejects.toMatchObject({
        code: 'ERR_STORE_READ_ONLY',
      })
    } finally {
      await run('umount', ['-l', at.directory])
    }
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
