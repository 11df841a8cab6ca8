// A small image with real layers, in a store in memory.
import { gzipSync } from 'node:zlib'
import type { Context } from '../../src/core/context.ts'
import { digestOf } from '../../src/core/digest.ts'
import { mediaType, ociLayerType } from '../../src/core/media-type.ts'
import type { ImageForm } from '../../src/export/output.ts'
import type { ConvertLayer } from '../../src/export/packed-image.ts'
import { assemble } from '../../src/image/assemble.ts'
import type { Image, ImageLayer } from '../../src/image/types.ts'
import { compress } from '../../src/layer/compression.ts'
import { writeTar } from '../../src/layer/tar-write.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { plainBytes } from '../compression/plain-bytes.ts'

export const gzipForm: ImageForm = {
  compression: 'gzip',
  forceCompression: false,
  withoutZstd: false,
  mediaTypes: 'oci',
  annotations: {},
}

export interface Sample {
  readonly store: ContentStore
  readonly image: Image
  readonly convert: ConvertLayer
}

/** A base layer as docker's registry has it (gzip) and two built ones (plain). */
export async function sampleImage(): Promise<Sample> {
  const store = openMemoryStore()
  const base = await tarOf('etc/os-release', 'ID=sample\n')
  const baseLayer: ImageLayer = {
    diffId: digestOf(base),
    descriptor: await store.put({ mediaType: mediaType.dockerLayerGzip }, gzipSync(base)),
  }
  const built: ImageLayer[] = []
  for (const [name, text] of [
    ['app', 'one'],
    ['data', 'x'.repeat(200_000)],
  ] as const) {
    const bytes = await tarOf(name, text)
    const descriptor = await store.put({ mediaType: mediaType.ociLayer }, bytes)
    built.push({ diffId: descriptor.digest, descriptor, created: '2026-01-02T03:04:05Z' })
  }
  const image = assemble(
    {
      baseLayers: 1,
      baseHistory: [{ created: '2020-01-01T00:00:00Z', created_by: 'base' }],
      history: [
        { created_by: 'COPY app /', layer: true },
        { created_by: 'COPY data /', layer: true },
        { created_by: 'CMD ["/app"]', layer: false },
      ],
      config: {
        architecture: 'amd64',
        os: 'linux',
        config: { Cmd: ['/app'], Labels: { a: 'b' } },
        rootfs: { type: 'layers', diff_ids: [] },
      },
    },
    [baseLayer, ...built],
  )
  const convert: ConvertLayer = async (layer, { compression, level }) => {
    const source = plainBytes(await store.open(layer.descriptor))
    const bytes = await collect(compress(source, compression, level === undefined ? {} : { level }))
    return store.put({ mediaType: ociLayerType(compression) }, bytes)
  }
  return { store, image, convert }
}

export function sampleContext(signal = new AbortController().signal): Context {
  return { signal, emit: () => undefined, now: () => '2026-01-01T00:00:00Z', debug: () => undefined }
}

async function tarOf(path: string, text: string): Promise<Buffer> {
  const body = Buffer.from(text)
  const entry = {
    path,
    type: 'file' as const,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.byteLength,
    mtimeNs: 0n,
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  }
  return collect(writeTar([{ entry, body }]))
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
