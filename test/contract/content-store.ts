// What every ContentStore promises; each implementation runs it (test/store/*.test.ts).
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { ContentStore } from '../../src/store/types.ts'

const octets = 'application/octet-stream'
const indexType = 'application/vnd.oci.image.index.v1+json'

export interface StoreUnderTest {
  readonly store: ContentStore
  /** Names of files that a failed or finished write has left; empty for stores without files. */
  leftovers(): Promise<readonly string[]>
  close(): Promise<void>
}

export function describeOf(bytes: Uint8Array, mediaType = octets): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength }
}

export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export function describeContentStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a content store`, () => {
    let under: StoreUnderTest
    let store: ContentStore
    beforeEach(async () => {
      under = await open()
      store = under.store
    })
    afterEach(() => under.close())

    it.each([0, 1, 65_536, 3_000_001])('gives back %d bytes that were put as a stream', async (size) => {
      const bytes = randomBytes(size)
      const descriptor = describeOf(bytes)
      expect(await store.has(descriptor)).toBe(false)
      expect(await store.sizeOf(descriptor.digest)).toBeUndefined()
      expect(await store.put(descriptor, Readable.from(pieces(bytes)))).toEqual(descriptor)
      expect(await store.has(descriptor)).toBe(true)
      expect(await store.sizeOf(descriptor.digest)).toBe(size)
      expect((await readAll(await store.open(descriptor))).equals(bytes)).toBe(true)
      expect(await under.leftovers()).toEqual([])
    })

    it('stores pieces whose memory is used again', async () => {
      const bytes = randomBytes(1_000_003)
      async function* reused() {
        const piece = Buffer.alloc(300_000)
        for (let at = 0; at < bytes.length; at += piece.length) {
          const length = bytes.copy(piece, 0, at)
          yield piece.subarray(0, length)
          piece.fill(0)
        }
      }
      const { signal } = new AbortController()
      const descriptor = await store.putPieces(octets, reused(), signal)
      expect(descriptor).toEqual(describeOf(bytes))
      expect((await readAll(await store.open(descriptor))).equals(bytes)).toBe(true)
      expect(await under.leftovers()).toEqual([])
    })

    it.each(['fail', 'are given up'])('keeps nothing of pieces that %s', async (how) => {
      const stop = new AbortController()
      async function* broken() {
        yield randomBytes(100_000)
        if (how === 'fail') throw new Error('no more')
        stop.abort(new Error('no more'))
        yield randomBytes(100_000)
      }
      await expect(store.putPieces(octets, broken(), stop.signal)).rejects.toThrow('no more')
      expect(await under.leftovers()).toEqual([])
    })

    it('computes digest and size when they are not known before', async () => {
      const bytes = randomBytes(1000)
      expect(await store.put({ mediaType: octets }, bytes)).toEqual(describeOf(bytes))
    })

    it('takes the same content twice, also at the same time', async () => {
      const bytes = randomBytes(200_000)
      const descriptor = describeOf(bytes)
      const puts = [1, 2, 3].map(() => store.put(descriptor, Readable.from(pieces(bytes))))
      expect(await Promise.all(puts)).toEqual([descriptor, descriptor, descriptor])
      expect((await store.read(descriptor, 1 << 20)).equals(bytes)).toBe(true)
      expect(await under.leftovers()).toEqual([])
    })

    it.each([
      ['another digest', (d: Descriptor) => ({ ...d, digest: digestOf('other') })],
      ['a smaller size', (d: Descriptor) => ({ ...d, size: d.size - 1 })],
      ['a larger size', (d: Descriptor) => ({ ...d, size: d.size + 1 })],
    ])('refuses content with %s than expected and keeps nothing', async (_what, lie) => {
      const bytes = randomBytes(100_000)
      const honest = describeOf(bytes)
      const put = store.put(lie(honest), Readable.from(pieces(bytes)))
      await expect(put).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' })
      expect(await store.has(honest)).toBe(false)
      expect(await store.has(lie(honest))).toBe(false)
      expect(await under.leftovers()).toEqual([])
    })

    it('stops reading a body that is longer than announced', async () => {
      let given = 0
      async function* endless() {
        while (given < 1000) {
          given++
          yield randomBytes(1000)
        }
      }
      const expected = { mediaType: octets, digest: digestOf('x'), size: 5000 }
      await expect(store.put(expected, Readable.from(endless()))).rejects.toMatchObject({
        code: 'ERR_DIGEST_MISMATCH',
      })
      expect(given).toBeLessThan(100)
    })

    it('passes the failure of a body on and keeps nothing', async () => {
      const failure = new Error('the source broke')
      async function* broken() {
        yield randomBytes(70_000)
        throw failure
      }
      await expect(store.put({ mediaType: octets }, Readable.from(broken()))).rejects.toBe(failure)
      expect(await under.leftovers()).toEqual([])
    })

    it('stops a put when its signal is aborted, also while the body is silent', async () => {
      const stop = new AbortController()
      const silent = new Readable({ read: () => undefined })
      silent.push(randomBytes(1000))
      const put = store.put({ mediaType: octets }, silent, { signal: stop.signal })
      const failed = expect(put).rejects.toThrow()
      await setTimeout(20)
      stop.abort(new Error('enough'))
      await failed
      expect(silent.destroyed).toBe(true)
      expect(await under.leftovers()).toEqual([])
    })

    it.each(['while it is opened', 'before anyone reads it'])(
      'fails whoever reads a blob, and nobody else, when its signal is aborted %s',
      async (when) => {
        const descriptor = await store.put({ mediaType: octets }, randomBytes(100_000))
        const stop = new AbortController()
        const opening = store.open(descriptor, { signal: stop.signal })
        if (when === 'while it is opened') stop.abort(new Error('enough'))
        const stream = await opening
        stop.abort(new Error('enough'))
        await setTimeout(20)
        await expect(readAll(stream)).rejects.toMatchObject({
          name: 'AbortError',
          cause: { message: 'enough' },
        })
      },
    )

    it('says which blob is missing', async () => {
      const absent = describeOf(Buffer.from('absent'))
      await expect(store.open(absent)).rejects.toMatchObject({ code: 'ERR_BLOB_MISSING' })
      await expect(store.read(absent, 100)).rejects.toThrow(absent.digest)
    })

    it('does not read more into memory than it is allowed to', async () => {
      const descriptor = await store.put({ mediaType: octets }, randomBytes(100))
      expect(await store.read(descriptor, 100)).toHaveLength(100)
      await expect(store.read(descriptor, 99)).rejects.toMatchObject({ code: 'ERR_BLOB_TOO_LARGE' })
    })

    it('fails at the end of a stream whose descriptor lies about the size, and keeps the sound blob', async () => {
      const bytes = randomBytes(5000)
      const honest = await store.put({ mediaType: octets }, bytes)
      for (const size of [4999, 5001]) {
        const stream = await store.open({ ...honest, size })
        await expect(readAll(stream)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' })
      }
      expect((await store.read(honest, 5000)).equals(bytes)).toBe(true)
    })

    it('streams in parallel without mixing anything up', async () => {
      const contents = Array.from({ length: 6 }, () => randomBytes(300_000))
      const stored = await Promise.all(
        contents.map((c) => store.put({ mediaType: octets }, Readable.from(pieces(c)))),
      )
      const read = await Promise.all(stored.map(async (d) => readAll(await store.open(d))))
      expect(read.map(hash)).toEqual(contents.map(hash))
    })

    describe('names', () => {
      const put = (text: string): Promise<Descriptor> =>
        store.put(
          { mediaType: indexType },
          Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [], text })),
        )

      it('mean the manifest they were last given to', async () => {
        const [first, second] = [await put('1'), await put('2')]
        await store.tag('docker.io/library/app:1', first)
        await store.tag('docker.io/library/app:2', first)
        expect(await store.resolve('docker.io/library/app:1')).toEqual(first)
        await store.tag('docker.io/library/app:1', second)
        expect(await store.resolve('docker.io/library/app:1')).toEqual(second)
        expect(await store.resolve('docker.io/library/app:2')).toEqual(first)
        expect(await store.resolve('docker.io/library/app')).toBeUndefined()
        expect(await store.list()).toHaveLength(2)
      })

      it('taken over by another image leave the old one without a name', async () => {
        const [first, second] = [await put('1'), await put('2')]
        await store.tag('h/app:1', first)
        await store.tag('h/app:1', second)
        expect(await store.list()).toEqual([{ descriptor: first }, { name: 'h/app:1', descriptor: second }])
        // A name given later takes the place of the unnamed entry.
        await store.tag('h/old:1', first)
        expect((await store.list()).map((i) => i.name)).toEqual(['h/app:1', 'h/old:1'])
      })

      it('are removed one by one', async () => {
        const first = await put('1')
        await store.tag('h/a:1', first)
        await store.tag('h/b:1', first)
        expect(await store.untag('h/a:1')).toBe(true)
        expect(await store.untag('h/a:1')).toBe(false)
        expect(await store.list()).toEqual([{ name: 'h/b:1', descriptor: first }])
      })

      it('are not needed to keep an image', async () => {
        const first = await put('1')
        await store.keep(first)
        await store.keep(first)
        expect(await store.list()).toEqual([{ descriptor: first }])
        expect(await store.forget(first.digest)).toBe(true)
        expect(await store.forget(first.digest)).toBe(false)
        expect(await store.list()).toEqual([])
      })

      it('are not given to what is not there', async () => {
        const absent = describeOf(Buffer.from('absent'), indexType)
        await expect(store.tag('h/a:1', absent)).rejects.toMatchObject({ code: 'ERR_BLOB_MISSING' })
        expect(await store.list()).toEqual([])
      })

      it('carry the time and platform their descriptor came with', async () => {
        const platform = { os: 'linux', architecture: 'arm64' }
        const annotations = { 'org.opencontainers.image.created': '2026-01-02T03:04:05Z' }
        const descriptor = { ...(await put('1')), platform, annotations }
        await store.tag('h/a:1', descriptor)
        expect(await store.list()).toEqual([{ name: 'h/a:1', descriptor }])
      })

      it('survive being given all at once', async () => {
        const first = await put('1')
        const names = Array.from({ length: 20 }, (_, i) => `h/app:${i}`)
        await Promise.all(names.map((name) => store.tag(name, first)))
        expect((await store.list()).map((i) => i.name).sort()).toEqual([...names].sort())
      })
    })

    it('lets one at a time work on a digest', async () => {
      const { signal } = new AbortController()
      let inside = 0
      let most = 0
      const body = async (): Promise<number> => {
        most = Math.max(most, ++inside)
        await setTimeout(10)
        return inside--
      }
      const same = digestOf('same')
      await Promise.all([1, 2, 3].map(() => store.exclusive(same, signal, body)))
      expect(most).toBe(1)
      await Promise.all([1, 2].map((n) => store.exclusive(digestOf(String(n)), signal, body)))
      expect(most).toBe(2)
      await expect(store.exclusive(same, signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
      expect(await store.exclusive(same, signal, async () => 'free again')).toBe('free again')
    })

    it('remembers where blobs came from, the latest first', async () => {
      const digest = digestOf('x')
      expect(await store.origins(digest)).toEqual([])
      await store.addOrigin(digest, 'docker.io/library/a')
      await store.addOrigin(digest, 'h:5000/b')
      await store.addOrigin(digest, 'h:5000/b')
      expect(await store.origins(digest)).toEqual(['h:5000/b', 'docker.io/library/a'])
    })
  })
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += 40_000) yield bytes.subarray(at, at + 40_000)
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
