// The manifests of caches: written as BuildKit does, and read with more layers than an image may have.
import { describe, expect, it } from 'vitest'
import { cacheConfigType } from '../../src/buildkit/cache-config.ts'
import { digestOf } from '../../src/core/digest.ts'
import { mediaType } from '../../src/core/media-type.ts'
import { encodeCacheManifest, readCacheManifest } from '../../src/remote-cache/manifest.ts'

const layers = Array.from({ length: 1000 }, (_, i) => ({
  descriptor: { mediaType: mediaType.ociLayerGzip, digest: digestOf(`layer ${i}`), size: i },
  diffId: digestOf(`plain ${i}`),
  created: '2026-01-02T03:04:05Z',
}))
const config = { mediaType: cacheConfigType, digest: digestOf('config'), size: 6 }

describe('cache manifests', () => {
  it.each([
    [{ imageManifest: true, mediaTypes: 'oci' }, mediaType.ociManifest],
    [{ imageManifest: false, mediaTypes: 'oci' }, mediaType.ociIndex],
    [{ imageManifest: false, mediaTypes: 'docker' }, mediaType.dockerList],
  ] as const)('%o: what is written is read', (form, type) => {
    const { descriptor, bytes } = encodeCacheManifest(config, layers, form)
    expect(descriptor.mediaType).toBe(type)
    const read = readCacheManifest(bytes, type)
    expect(read.config).toEqual(config)
    expect([...read.layers.values()]).toEqual(layers)
  })

  it('a time that is none is the beginning of time: it reaches the history of images', () => {
    const made = layers.slice(0, 1).map((layer) => ({ ...layer, created: '\u001b]0;x\u0007' }))
    const { bytes } = encodeCacheManifest(config, made, { imageManifest: true, mediaTypes: 'oci' })
    const read = readCacheManifest(bytes, mediaType.ociManifest)
    expect([...read.layers.values()].map(({ created }) => created)).toEqual(['0001-01-01T00:00:00Z'])
  })

  it('an image is no cache, and what does not say its diff id no layer of one', () => {
    const image = {
      schemaVersion: 2,
      mediaType: mediaType.ociManifest,
      config: { ...config, mediaType: mediaType.ociConfig },
    }
    const text = JSON.stringify({
      ...image,
      layers: [{ mediaType: mediaType.ociLayerGzip, digest: digestOf('x'), size: 1 }],
    })
    const read = readCacheManifest(Buffer.from(text), mediaType.ociManifest)
    expect(read.config).toBeUndefined()
    expect(read.layers.size).toBe(0)
  })
})
