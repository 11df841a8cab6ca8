// Base layers become directories only when asked for, once, and from the network only when they must.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Digest, digestOf, hexOf } from '../../src/core/digest.ts'
import type { BlobRef } from '../../src/ops/cached-layers.ts'
import { type LayerSource, openLayerSource } from '../../src/ops/layers.ts'
import { openOverlaySnapshotter } from '../../src/snapshot/overlay-snapshotter.ts'
import { openNative } from '../../src/sys/native.ts'
import { testContext } from './support/context.ts'
import { type Tree, writeTree } from './support/rig.ts'

let root: string
let source: LayerSource
let blobs: Map<Digest, Buffer>
let remote: Map<Digest, Buffer>
let fetched: Digest[]
/** How long it takes to stop transfers that do not come to an end. */
let stuckMs: Map<Digest, number>

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'slipway-layers-'))
  blobs = new Map()
  remote = new Map()
  fetched = []
  stuckMs = new Map()
  const native = openNative(resolve(import.meta.dirname, '../../dist'))
  const snapshotter = await openOverlaySnapshotter(join(root, 'state'), native)
  source = openLayerSource({
    native,
    snapshotter,
    store: {
      has: async ({ digest }) => blobs.has(digest),
      open: async ({ digest }) => Readable.from([blobs.get(digest) ?? Buffer.alloc(0)]),
    },
    async fetch({ descriptor: { digest } }, { signal }) {
      fetched.push(digest)
      const ms = stuckMs.get(digest)
      if (ms !== undefined) await stopping(signal, ms)
      await setTimeout(5)
      const bytes = remote.get(digest)
      if (bytes === undefined) throw new Error('registry is down')
      blobs.set(digest, bytes)
    },
  })
})
/** Rejects when the transfer has been stopped. */
async function stopping(signal: AbortSignal, ms: number): Promise<void> {
  while (!signal.aborted) await setTimeout(1)
  await setTimeout(ms)
  throw signal.reason
}

afterEach(() => rmSync(root, { recursive: true }))

/** A layer of this tree that only the registry has. */
function publish(name: string, tree: Tree): BlobRef {
  writeTree(join(root, name), tree)
  const tar = execFileSync('tar', ['-C', join(root, name), '-c', '.'])
  const bytes = gzipSync(tar)
  const digest = digestOf(bytes)
  remote.set(digest, bytes)
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
  return {
    kind: 'blob',
    descriptor: { mediaType, digest, size: bytes.length },
    diffId: digestOf(tar),
    source: 'registry.test/base:1',
  }
}

describe('openLayerSource', () => {
  it('fetches and unpacks what is missing, once, whoever asks', async () => {
    const layers = [publish('a', { f: 'from a' }), publish('b', { g: 'from b' })]
    const cx = testContext()
    const [one, two, three] = await Promise.all([
      source.directories(layers, cx),
      source.directories(layers, cx),
      source.directories(layers.slice(0, 1), cx),
    ])
    expect(two).toEqual(one)
    expect(three).toEqual(one?.slice(0, 1))
    expect(readFileSync(join(one?.[0] ?? '', 'f'), 'utf8')).toBe('from a')
    expect(readFileSync(join(one?.[1] ?? '', 'g'), 'utf8')).toBe('from b')
    expect(fetched.sort()).toEqual(layers.map((layer) => layer.descriptor.digest).sort())
    expect((await source.snapshots(layers, cx))[0]).toBe(hexOf(layers[0]?.diffId ?? digestOf('')))
  })

  it('needs no blob of a layer that is unpacked', async () => {
    const layers = [publish('a', { f: 'x' })]
    const before = await source.snapshots(layers, testContext())
    blobs.clear()
    remote.clear()
    expect(await source.snapshots(layers, testContext())).toEqual(before)
    expect(fetched).toHaveLength(1)
  })

  it('puts built layers on top of a base', async () => {
    const base = publish('a', { f: 'x' })
    const built = { kind: 'snapshot', id: 'built', created: '2026-01-01T00:00:00Z' } as const
    expect((await source.snapshots([base, built], testContext()))[1]).toBe('built')
    expect(await source.snapshots([], testContext())).toEqual([])
  })

  it('fails with the transfer, leaves nothing, and works when asked again', async () => {
    const layers = [publish('a', { f: 'x' }), publish('b', { f: 'y' })]
    const bytes = [...remote]
    remote.delete(layers[1]?.descriptor.digest ?? digestOf(''))
    await expect(source.snapshots(layers, testContext())).rejects.toThrow('registry is down')
    remote = new Map(bytes)
    expect(await source.snapshots(layers, testContext())).toHaveLength(2)
  })

  it('fetches again what a solve that was given up is still stopping', async () => {
    const layers = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => publish(name, { [name]: 'x' }))
    stuckMs = new Map(layers.map((layer, index) => [layer.descriptor.digest, 40 * index]))
    const stop = new AbortController()
    const first = source.snapshots(layers, { ...testContext(), signal: stop.signal })
    await vi.waitFor(() => expect(fetched).toHaveLength(layers.length))
    stop.abort(new Error('a cached layer lied'))
    stuckMs.clear()
    const second = source.snapshots(layers, testContext())
    await expect(first).rejects.toThrow('a cached layer lied')
    expect(await second).toHaveLength(layers.length)
  })

  it('refuses a layer whose content is not what the config says', async () => {
    const layer = publish('a', { f: 'x' })
    const wrong = [{ ...layer, diffId: digestOf('something else') }]
    await expect(source.snapshots(wrong, testContext())).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_/),
    })
  })
})
