import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { limit } from '../../src/core/limit.ts'
import { mediaType } from '../../src/core/media-type.ts'
import { type CopyProgress, copyBlobs, copyImage } from '../../src/store/copy.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { describeBytes, sampleImage, sampleIndex, seedStore } from '../registry/sample-image.ts'

const { signal } = new AbortController()
const options = () => ({ limit: limit(2), signal })

/** A sink that writes down the order in which things arrive. */
function recording(store: ContentStore): { readonly store: ContentStore; readonly puts: string[] } {
  const puts: string[] = []
  return {
    puts,
    store: {
      ...store,
      async put(expected, body, given) {
        const stored = await store.put(expected, body, given)
        puts.push(stored.digest)
        return stored
      },
    },
  }
}

async function twoPlatforms() {
  const from = openMemoryStore()
  const shared = Buffer.from('a layer of both')
  const samples = ['amd64', 'arm64'].map((architecture) =>
    sampleImage({ architecture, layers: [shared, Buffer.from(`only ${architecture}`)] }),
  )
  for (const sample of samples) await seedStore(from, sample)
  const index = sampleIndex(samples.map((sample) => ({ sample })))
  await from.put(index.descriptor, index.bytes)
  return { from, samples, index, shared }
}

describe('copyBlobs', () => {
  it('closes a blob whose sink failed before it read it, before it is tried again', async () => {
    const from = openMemoryStore()
    const blob = await from.put({ mediaType: mediaType.ociLayerGzip }, Buffer.alloc(1000))
    let body: Readable | undefined
    const reader = {
      ...from,
      async open(...asked: Parameters<typeof from.open>) {
        body = await from.open(...asked)
        return body
      },
    }
    const sink = { ...openMemoryStore(), put: () => Promise.reject(new Error('the registry is down')) }
    const closed: unknown[] = []
    const retry = async (): Promise<boolean> => {
      closed.push(body?.destroyed)
      return closed.length < 2
    }
    await expect(copyBlobs(reader, sink, [blob], { ...options(), retry })).rejects.toThrow('down')
    expect(closed).toEqual([true, true])
  })
})

describe('copyImage', () => {
  it('copies an index with all its manifests, configs and layers, children before parents', async () => {
    const { from, samples, index } = await twoPlatforms()
    const { store: to, puts } = recording(openMemoryStore())
    await copyImage(from, to, index.descriptor, options())
    expect(puts.at(-1)).toBe(index.descriptor.digest)
    for (const { manifest, config, layers } of samples) {
      for (const child of [config, ...layers]) {
        expect(puts.indexOf(child.digest)).toBeGreaterThanOrEqual(0)
        expect(puts.indexOf(child.digest)).toBeLessThan(puts.indexOf(manifest.digest))
      }
    }
  })

  it('copies nothing that is there, but looks below a manifest that is', async () => {
    const { from, samples, index } = await twoPlatforms()
    const target = openMemoryStore()
    const [first] = samples
    if (first === undefined) throw new Error('no sample')
    await target.put(first.manifest, first.manifestBytes)
    await target.put(first.config, first.configBytes)
    const { store: to, puts } = recording(target)
    await copyImage(from, to, index.descriptor, options())
    expect(puts).not.toContain(first.manifest.digest)
    expect(puts).not.toContain(first.config.digest)
    for (const layer of first.layers) expect(puts).toContain(layer.digest)
    puts.length = 0
    await copyImage(from, to, index.descriptor, options())
    expect(puts).toEqual([])
  })

  it('transfers a layer that two images share once when turns are taken', async () => {
    const { from, index, shared } = await twoPlatforms()
    const { store: to, puts } = recording(openMemoryStore())
    await copyImage(from, to, index.descriptor, { ...options(), limit: limit(8), exclusive: to.exclusive })
    const digest = describeBytes('x', shared).digest
    expect(puts.filter((put) => put === digest)).toHaveLength(1)
  })

  it('reports how far every blob is and ends each report', async () => {
    const sample = sampleImage({ layerSizes: [3_000_000, 100] })
    const [from, to] = [openMemoryStore(), openMemoryStore()]
    await seedStore(from, sample)
    await to.put(sample.config, sample.configBytes)
    const last = new Map<string, CopyProgress>()
    await copyImage(from, to, sample.manifest, {
      ...options(),
      onProgress: (progress) => {
        last.set(progress.descriptor.digest, progress)
      },
    })
    for (const layer of sample.layers) {
      expect(last.get(layer.digest)).toEqual({ descriptor: layer, state: 'copied', current: layer.size })
    }
    expect(last.get(sample.config.digest)?.state).toBe('present')
  })

  it('stops the other transfers when one fails, waits for them and throws the first failure', async () => {
    const sample = sampleImage({ layerSizes: [10, 20] })
    const [from, to] = [openMemoryStore(), openMemoryStore()]
    await seedStore(from, sample)
    const [bad, slow] = sample.layers
    let endedSlow = false
    const failing: ContentStore = {
      ...from,
      async open(descriptor, given) {
        if (descriptor.digest === bad?.digest) throw new Error('broken layer')
        if (descriptor.digest !== slow?.digest) return from.open(descriptor, given)
        const silent = new Readable({
          read: () => undefined,
          destroy: (error, done) => {
            endedSlow = true
            done(error)
          },
        })
        return silent
      },
    }
    await expect(copyImage(failing, to, sample.manifest, { ...options(), limit: limit(8) })).rejects.toThrow(
      'broken layer',
    )
    expect(endedSlow).toBe(true)
    expect(await to.has(sample.manifest)).toBe(false)
  })

  it('keeps the failure of a source until the sink has time to read', async () => {
    const blob = describeBytes('application/octet-stream', Buffer.from('content'))
    const from = {
      ...openMemoryStore(),
      open: async () =>
        Readable.from(
          (async function* () {
            yield Buffer.from('con')
            throw new Error('broken at once')
          })(),
        ),
    }
    const to: ContentStore = {
      ...openMemoryStore(),
      async put(expected, body, given) {
        await setTimeout(20)
        return openMemoryStore().put(expected, body, given)
      },
    }
    const copying = copyBlobs(from, to, [blob], { ...options(), onProgress: () => undefined })
    await expect(copying).rejects.toThrow('broken at once')
  })

  it('ends with the reason of its signal', async () => {
    const sample = sampleImage()
    const [from, to] = [openMemoryStore(), openMemoryStore()]
    await seedStore(from, sample)
    const stop = new AbortController()
    const silent: ContentStore = {
      ...from,
      open: async (d, o) =>
        d.digest === sample.manifest.digest ? from.open(d, o) : new Readable({ read: () => undefined }),
    }
    const copying = expect(
      copyImage(silent, to, sample.manifest, { limit: limit(2), signal: stop.signal }),
    ).rejects.toThrow('enough')
    await setTimeout(10)
    stop.abort(new Error('enough'))
    await copying
  })

  it('asks whether to try again, with a new stream each time', async () => {
    const bytes = Buffer.from('content')
    const blob = describeBytes('application/octet-stream', bytes)
    const [from, to] = [openMemoryStore(), openMemoryStore()]
    await from.put(blob, bytes)
    let opened = 0
    const flaky: ContentStore = {
      ...from,
      async open(descriptor) {
        if (++opened < 3) throw new Error(`failure ${opened}`)
        return from.open(descriptor)
      },
    }
    const asked: unknown[] = []
    await copyBlobs(flaky, to, [blob, blob], {
      ...options(),
      retry: async (thrown, attempt) => {
        asked.push([String(thrown), attempt])
        return true
      },
    })
    expect(asked).toEqual([
      ['Error: failure 1', 1],
      ['Error: failure 2', 2],
    ])
    expect(await to.has(blob)).toBe(true)
    await expect(
      copyBlobs(from, openMemoryStore(), [describeBytes('x', Buffer.from('absent'))], options()),
    ).rejects.toThrow('not in the store')
  })

  it('leaves out what may not be copied', async () => {
    const sample = sampleImage()
    const [from, to] = [openMemoryStore(), openMemoryStore()]
    await seedStore(from, sample)
    const [skipped] = sample.layers
    await copyImage(from, to, sample.manifest, { ...options(), skip: (d) => d.digest === skipped?.digest })
    expect(skipped && (await to.has(skipped))).toBe(false)
    expect(await to.has(sample.manifest)).toBe(true)
  })

  it.each([
    ['not JSON', '{'],
    ['no object', '[]'],
    [
      'a bad digest',
      JSON.stringify({ config: { mediaType: 'a/b', size: 1, digest: 'sha256:../../x' }, layers: [] }),
    ],
    [
      'a bad size',
      JSON.stringify({
        config: { mediaType: 'a/b', size: -1, digest: describeBytes('', Buffer.alloc(0)).digest },
        layers: [],
      }),
    ],
    ['no layers', JSON.stringify({ config: describeBytes('a/b', Buffer.alloc(0)) })],
  ])('refuses a manifest with %s', async (_what, text) => {
    const from = openMemoryStore()
    const manifest = describeBytes(mediaType.ociManifest, Buffer.from(text))
    await from.put(manifest, Buffer.from(text))
    await expect(copyImage(from, openMemoryStore(), manifest, options())).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(MANIFEST|DIGEST)_INVALID$/),
    })
  })

  it('does not follow indexes inside indexes for ever', async () => {
    const from = openMemoryStore()
    let child: Descriptor = describeBytes('a/b', Buffer.from('leaf'))
    await from.put(child, Buffer.from('leaf'))
    for (let i = 0; i < 5; i++) {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [child] }))
      child = describeBytes(mediaType.ociIndex, bytes)
      await from.put(child, bytes)
    }
    await expect(copyImage(from, openMemoryStore(), child, options())).rejects.toThrow('inside each other')
  })
})
