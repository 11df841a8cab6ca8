import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { limit } from '../../src/core/limit.ts'
import { type OverlaySnapshotter, openOverlaySnapshotter } from '../../src/snapshot/overlay-snapshotter.ts'
import { chainIds, type LayerBlob, type UnpackOptions, unpackLayers } from '../../src/snapshot/unpack.ts'
import { tarBlock, tarFile, tarOf } from '../layer/tar-fixture.ts'
import { isRoot, testNative } from '../sys/native.ts'

const native = testNative()

let root: string
let snapshotter: OverlaySnapshotter
let opened: number
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'slipway-unpack-'))
  snapshotter = await openOverlaySnapshotter(root, native)
  opened = 0
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const archives = [
  tarOf(tarBlock({ name: 'd', typeflag: '5', mode: 0o711 }), tarFile('d/f', 'one')),
  tarOf(tarFile('d/g', 'two')),
  tarOf(tarBlock({ name: 'd/h', typeflag: '1', linkName: 'd/f' }), tarBlock({ name: 'd/.wh.g' })),
]

function blobOf(archive: Buffer, packed = gzipSync(archive)): LayerBlob & { readonly bytes: Buffer } {
  const descriptor = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: digestOf(packed),
    size: packed.length,
  }
  return { descriptor, diffId: digestOf(archive), bytes: packed }
}

function unpack(
  blobs: readonly (LayerBlob & { readonly bytes: Buffer })[],
  more: Partial<UnpackOptions> = {},
): Promise<readonly string[]> {
  return unpackLayers(blobs, {
    snapshotter,
    native,
    signal: new AbortController().signal,
    limit: limit(3),
    content: {
      async open(descriptor) {
        opened++
        // The bottom layer arrives last.
        const index = blobs.findIndex((blob) => blob.descriptor.digest === descriptor.digest)
        await new Promise((resolve) => setTimeout(resolve, 40 - 20 * index))
        return Readable.from([blobs[index]?.bytes ?? Buffer.alloc(0)])
      },
    },
    ...more,
  })
}

const leftovers = (): string[] => readdirSync(join(root, 'active'))

test('ids are ChainIDs', () => {
  const [a, b] = [digestOf('a'), digestOf('b')]
  expect(chainIds([a, b])).toEqual([hexOf(a), hexOf(digestOf(`${a} ${b}`))])
})

describe.skipIf(!isRoot)('unpacking an image (needs root)', () => {
  test('layers are unpacked together, each knows those below it, and only once', async () => {
    const blobs = archives.map((archive) => blobOf(archive))
    const ids = await unpack(blobs)
    expect(ids).toEqual(chainIds(blobs.map((blob) => blob.diffId)))
    const [, second = '', third = ''] = ids.map((id) => snapshotter.path(id))
    expect(readdirSync(`${second}/d`)).toEqual(['g'])
    expect(readdirSync(`${third}/d`).sort()).toEqual(['f', 'g', 'h'])
    expect(readFileSync(`${third}/d/h`, 'utf8')).toBe('one')
    expect(opened).toBe(3)
    await unpack(blobs)
    expect(opened).toBe(3)
    await snapshotter.flush()
    expect(leftovers()).toEqual([])
  })

  test('one slot is enough: a layer only waits for those before it', async () => {
    await unpack(
      archives.map((archive) => blobOf(archive)),
      { limit: limit(1) },
    )
    expect(opened).toBe(3)
  })

  test('a bad layer fails it all by name, and leaves nothing of itself', async () => {
    const [first, , third] = archives.map((archive) => blobOf(archive))
    const damaged = blobOf(archives[1] ?? Buffer.alloc(0), gzipSync('not this'))
    if (first === undefined || third === undefined) throw new Error('three archives')
    await expect(unpack([first, damaged, third])).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
      message: expect.stringContaining(damaged.descriptor.digest),
      data: { layer: damaged.descriptor.digest },
    })
    const ids = chainIds([first, damaged, third].map((blob) => blob.diffId))
    expect(await snapshotter.has(ids[1] ?? '')).toBe(false)
    expect(await snapshotter.has(ids[2] ?? '')).toBe(false)
    await snapshotter.flush()
    expect(leftovers()).toEqual([])
    // The same image again, this time whole.
    await unpack([first, blobOf(archives[1] ?? Buffer.alloc(0)), third])
  })

  test('an abort stops it and is what comes out', async () => {
    const abort = new AbortController()
    setTimeout(() => abort.abort(new Error('enough')), 5)
    await expect(
      unpack(
        archives.map((archive) => blobOf(archive)),
        { signal: abort.signal },
      ),
    ).rejects.toThrow('enough')
    await snapshotter.flush()
    expect(leftovers()).toEqual([])
  })
})
