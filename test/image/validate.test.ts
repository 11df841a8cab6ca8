import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { mediaType } from '../../src/core/media-type.ts'
import { writeImage } from '../../src/export/store-image.ts'
import { encodeIndex, encodeManifest } from '../../src/image/encode.ts'
import { parseManifest } from '../../src/image/parse.ts'
import { type BlobSource, validateImage } from '../../src/image/validate.ts'
import { plainBytes } from '../compression/plain-bytes.ts'
import { sampleImage } from '../export/sample.ts'

const { signal } = new AbortController()

async function stored() {
  const { store, image } = await sampleImage()
  const { manifest, config } = await writeImage(store, image)
  const parsed = parseManifest(await store.read(manifest, 1 << 20))
  const check = (source: BlobSource, at: Descriptor = manifest) =>
    validateImage(source, at, { signal, decompress: plainBytes })
  return { store, manifest, config, parsed, check }
}

/** The source with one blob's bytes changed. */
function tampered(source: BlobSource, digest: string, change: (bytes: Buffer) => Buffer): BlobSource {
  return {
    open: async (descriptor, options) => {
      const stream = await source.open(descriptor, options)
      if (descriptor.digest !== digest) return stream
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      return Readable.from([change(Buffer.concat(chunks))])
    },
  }
}

const flip = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1
  return copy
}

describe('validateImage', () => {
  test('finds nothing wrong with a good image, alone or in an index', async () => {
    const { store, manifest, check } = await stored()
    expect(await check(store)).toEqual([])
    const index = encodeIndex({ schemaVersion: 2, manifests: [manifest] })
    await store.put(index.descriptor, index.bytes)
    expect(await check(store, index.descriptor)).toEqual([])
  })

  test('a flipped bit or a missing byte in any blob is found and named', async () => {
    const { store, manifest, parsed, check } = await stored()
    for (const { digest } of [manifest, parsed.config, ...parsed.layers]) {
      for (const change of [
        flip,
        (bytes: Buffer) => bytes.subarray(0, -1),
        (bytes: Buffer) => Buffer.concat([bytes, bytes]),
      ]) {
        const problems = await check(tampered(store, digest, change))
        expect(problems.length).toBeGreaterThan(0)
        expect(problems.every((problem) => problem.startsWith(digest) && !problem.includes('\n'))).toBe(true)
      }
    }
  })

  test('lies of a manifest are found: layers missing, in the wrong order, of the wrong type or size', async () => {
    const { store, parsed, check } = await stored()
    const [base, app, data] = parsed.layers
    if (base === undefined || app === undefined || data === undefined) throw new Error('three layers')
    const lies: [RegExp, readonly Descriptor[]][] = [
      [/3 diff ids for 2 layers/, [base, app]],
      [/uncompressed digest/, [base, data, app]],
      [/is not a layer/, [base, app, { ...data, mediaType: 'text/plain' }]],
      [/not gzip as its media type says/, [base, app, { ...data, mediaType: mediaType.ociLayerGzip }]],
      [/bytes|size/, [base, app, { ...data, size: data.size + 1 }]],
    ]
    for (const [problem, layers] of lies) {
      const lie = encodeManifest({ ...parsed, layers })
      await store.put(lie.descriptor, lie.bytes)
      expect((await check(store, lie.descriptor)).join('\n')).toMatch(problem)
    }
  })

  test('an aborted check is no finding', async () => {
    const { store, manifest } = await stored()
    const options = { signal: AbortSignal.abort(new Error('stop')), decompress: plainBytes }
    await expect(validateImage(store, manifest, options)).rejects.toThrow('stop')
  })
})
