import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { limit } from '../../src/core/limit.ts'
import { mediaType } from '../../src/core/media-type.ts'
import { layerConverter } from '../../src/export/layer-converter.ts'
import { pushExporter } from '../../src/export/push-image.ts'
import { pushStored } from '../../src/export/push-stored.ts'
import { storeExporter, writeImage } from '../../src/export/store-image.ts'
import { parseConfig, parseManifest } from '../../src/image/parse.ts'
import { validateImage } from '../../src/image/validate.ts'
import { compress } from '../../src/layer/compression.ts'
import { copyImage } from '../../src/store/copy.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { plainBytes } from '../compression/plain-bytes.ts'
import { describeExporter } from '../contract/exporter.ts'
import { writeHint } from '../support/write-hint.ts'
import { testNative } from '../sys/native.ts'
import { collect, gzipForm, type Sample, sampleContext, sampleImage } from './sample.ts'

const name = 'docker.io/library/app:1'

/** A registry as far as pushing is concerned: another store. */
function registry(from: () => ContentStore) {
  const there = openMemoryStore()
  return {
    there,
    push: async (to: string, manifest: Descriptor): Promise<void> => {
      const { signal } = new AbortController()
      await copyImage(from(), there, manifest, { limit: limit(2), signal })
      await there.tag(to, manifest)
    },
  }
}

describeExporter('local store', async () => {
  let store: ContentStore | undefined
  return {
    exporter: (sample) => {
      store = sample.store
      return storeExporter(store, [name])
    },
    state: async () => (await store?.list())?.map((entry) => [entry.name, entry.descriptor.digest]) ?? [],
    blobs: async () => store ?? openMemoryStore(),
    close: async () => undefined,
  }
})

describeExporter('registry', async () => {
  let store: ContentStore | undefined
  const { there, push } = registry(() => store ?? openMemoryStore())
  return {
    exporter: (sample) => {
      store = sample.store
      return pushExporter({ names: [name], form: gzipForm, store: false }, { ...sample, push })
    },
    state: async () => (await there.list()).map((entry) => [entry.name, entry.descriptor.digest]),
    blobs: async () => there,
    close: async () => undefined,
  }
})

describe('the local store', () => {
  test('keeps layers as they are and tags every name', async () => {
    const { store, image } = await sampleImage()
    const names = [name, 'docker.io/library/app:2']
    const { manifest } = await storeExporter(store, names).export(image, sampleContext())
    for (const each of names) expect((await store.resolve(each))?.digest).toBe(manifest?.digest)
    const parsed = parseManifest(await store.read(manifest as Descriptor, 1 << 20))
    expect(parsed.layers.map((layer) => layer.digest)).toEqual(
      image.layers.map((layer) => layer.descriptor.digest),
    )
    expect(parsed.layers.map((layer) => layer.mediaType)).toEqual([
      mediaType.ociLayerGzip,
      mediaType.ociLayer,
      mediaType.ociLayer,
    ])
  })

  test('an image without a name is kept', async () => {
    const { store, image } = await sampleImage()
    const { manifest } = await storeExporter(store, []).export(image, sampleContext())
    expect((await store.list()).map((entry) => entry.descriptor.digest)).toEqual([manifest?.digest])
  })

  test('an image that lacks a layer is not written', async () => {
    const { image } = await sampleImage()
    const empty = openMemoryStore()
    await expect(writeImage(empty, image)).rejects.toMatchObject({ code: 'ERR_BLOB_MISSING' })
    expect(await empty.list()).toEqual([])
  })
})

describe('pushing', () => {
  test('sends gzip, and the local name means the same manifest', async () => {
    const sample = await sampleImage()
    const { there, push } = registry(() => sample.store)
    const exporter = pushExporter({ names: [name], form: gzipForm, store: true }, { ...sample, push })
    const { manifest } = await exporter.export(sample.image, sampleContext())
    expect((await sample.store.resolve(name))?.digest).toBe(manifest?.digest)
    const parsed = parseManifest(await there.read(manifest as Descriptor, 1 << 20))
    expect(parsed.layers.every((layer) => layer.mediaType === mediaType.ociLayerGzip)).toBe(true)
  })

  test('a stored image: plain layers are compressed, the config stays, what is compressed goes as it is', async () => {
    const sample = await sampleImage()
    const { there, push } = registry(() => sample.store)
    const stored = await writeImage(sample.store, sample.image)
    const read = async (store: ContentStore, descriptor: Descriptor) => {
      const manifest = parseManifest(await store.read(descriptor, 1 << 20))
      const config = parseConfig(await store.read(manifest.config, 1 << 20))
      return { descriptor, manifest, config }
    }
    const pushed = await pushStored(
      await read(sample.store, stored.manifest),
      name,
      { ...sample, push },
      sampleContext(),
    )
    expect(pushed.digest).not.toBe(stored.manifest.digest)
    const remote = await read(there, pushed)
    expect(remote.manifest.config.digest).toBe(stored.config.digest)
    const { signal } = new AbortController()
    expect(await validateImage(there, pushed, { signal, decompress: plainBytes })).toEqual([])
    const again = await pushStored({ ...remote }, name, { ...sample, push }, sampleContext())
    expect(again.digest).toBe(pushed.digest)
  })
})

describe('converting layers', () => {
  const zstdBase = async ({ store, image }: Sample): Promise<Sample['image']['layers'][number]> => {
    const [base] = image.layers
    if (base === undefined) throw new Error('no base layer')
    const plain = plainBytes(await store.open(base.descriptor))
    const bytes = await collect(compress(plain, 'zstd'))
    return { diffId: base.diffId, descriptor: await store.put({ mediaType: mediaType.ociLayerZstd }, bytes) }
  }

  test('a built layer and a base layer end in the wanted form with the same content', async () => {
    const sample = await sampleImage()
    const variants = await mkdtemp(join(tmpdir(), 'slipway-variants-'))
    const convert = layerConverter(sample.store, { variants, writeHint, native: testNative() })
    const built = sample.image.layers[1]
    if (built === undefined) throw new Error('no built layer')
    for (const layer of [built, await zstdBase(sample)]) {
      const gzip = await convert(layer, { compression: 'gzip' }, sampleContext())
      expect(gzip.mediaType).toBe(mediaType.ociLayerGzip)
      const plain = await convert(layer, { compression: 'uncompressed' }, sampleContext())
      expect(plain.digest).toBe(layer.diffId)
      expect(await collect(plainBytes(await sample.store.open(gzip)))).toEqual(
        await collect(await sample.store.open(plain)),
      )
    }
    await rm(variants, { recursive: true })
  })

  test('a base layer that does not have its diff id fails', async () => {
    const sample = await sampleImage()
    const [base, other] = sample.image.layers
    if (base === undefined || other === undefined) throw new Error('no layers')
    const variants = await mkdtemp(join(tmpdir(), 'slipway-variants-'))
    const convert = layerConverter(sample.store, { variants, writeHint, native: testNative() })
    const lying = { ...base, diffId: other.diffId }
    await expect(convert(lying, { compression: 'zstd' }, sampleContext())).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
    await rm(variants, { recursive: true })
  })

  test('zstd base layers are converted only for readers without zstd', async () => {
    const sample = await sampleImage()
    const layers = [await zstdBase(sample), ...sample.image.layers.slice(1)]
    const image = { ...sample.image, layers }
    const { push } = registry(() => sample.store)
    const typesFor = async (withoutZstd: boolean) => {
      const form = { ...gzipForm, withoutZstd }
      const { manifest } = await pushExporter(
        { names: [name], form, store: false },
        { ...sample, push },
      ).export(image, sampleContext())
      return parseManifest(await sample.store.read(manifest as Descriptor, 1 << 20)).layers[0]?.mediaType
    }
    expect(await typesFor(false)).toBe(mediaType.ociLayerZstd)
    expect(await typesFor(true)).toBe(mediaType.ociLayerGzip)
  })
})
