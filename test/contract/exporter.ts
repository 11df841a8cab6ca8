// What every exporter of images must do, wherever the image goes.
import { describe, expect, test } from 'vitest'
import type { Exporter } from '../../src/export/types.ts'
import { type BlobSource, validateImage } from '../../src/image/validate.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { plainBytes } from '../compression/plain-bytes.ts'
import { type Sample, sampleContext, sampleImage } from '../export/sample.ts'

export interface ExporterUnderTest {
  exporter(sample: Sample): Exporter
  /** Everything at the destination, for comparing before and after. */
  state(): Promise<unknown>
  /** The exported image's blobs as the destination has them. */
  blobs(): Promise<BlobSource>
  close(): Promise<void>
}

/** The same store, except that one blob's bytes never end well. */
function damaged(store: ContentStore, digest: string): ContentStore {
  return {
    ...store,
    open: async (descriptor, options) => {
      if (descriptor.digest === digest) throw new Error('the disk is broken')
      return store.open(descriptor, options)
    },
    has: async (descriptor) => descriptor.digest !== digest && store.has(descriptor),
  }
}

export function describeExporter(name: string, make: () => Promise<ExporterUnderTest>): void {
  const use = (title: string, body: (under: ExporterUnderTest, sample: Sample) => Promise<void>): void => {
    test(title, async () => {
      const under = await make()
      try {
        await body(under, await sampleImage())
      } finally {
        await under.close()
      }
    })
  }

  describe(`exporter contract: ${name}`, () => {
    use('the destination has a whole and valid image', async (under, sample) => {
      const { manifest, config } = await under.exporter(sample).export(sample.image, sampleContext())
      if (manifest === undefined) throw new Error('no manifest was reported')
      const { signal } = new AbortController()
      expect(await validateImage(await under.blobs(), manifest, { signal, decompress: plainBytes })).toEqual(
        [],
      )
      expect(config?.mediaType).toMatch(/config|container\.image/)
    })

    use('exporting again gives the same', async (under, sample) => {
      const first = await under.exporter(sample).export(sample.image, sampleContext())
      const before = await under.state()
      const again = await sampleImage()
      expect(await under.exporter(again).export(again.image, sampleContext())).toEqual(first)
      expect(await under.state()).toEqual(before)
    })

    use(
      'a layer that cannot be read fails the export and leaves the destination as it was',
      async (under, sample) => {
        const before = await under.state()
        const [, layer] = sample.image.layers
        const store = damaged(sample.store, layer?.descriptor.digest ?? '')
        const broken = { ...sample, store, convert: () => Promise.reject(new Error('the disk is broken')) }
        await expect(under.exporter(broken).export(sample.image, sampleContext())).rejects.toThrow()
        expect(await under.state()).toEqual(before)
      },
    )

    use('an interrupted export leaves the destination as it was', async (under, sample) => {
      const before = await under.state()
      const cx = sampleContext(AbortSignal.abort(new Error('interrupted')))
      await expect(under.exporter(sample).export(sample.image, cx)).rejects.toThrow()
      expect(await under.state()).toEqual(before)
    })
  })
}
