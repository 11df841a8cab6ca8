// Small but whole images as bytes, for putting into registries and stores.
import { randomBytes } from 'node:crypto'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { mediaType } from '../../src/core/media-type.ts'
import type { ContentStore } from '../../src/store/types.ts'
import type { TestRegistry } from '../support/registry.ts'

export interface Sample {
  readonly manifest: Descriptor
  readonly manifestBytes: Buffer
  readonly config: Descriptor
  readonly configBytes: Buffer
  readonly layers: readonly Descriptor[]
  readonly layerBytes: readonly Buffer[]
}

export interface SampleOptions {
  readonly layerSizes?: readonly number[]
  readonly architecture?: string
  readonly variant?: string
  readonly style?: 'oci' | 'docker'
  readonly layers?: readonly Buffer[]
}

export function describeBytes(type: string, bytes: Uint8Array): Descriptor {
  return { mediaType: type, digest: digestOf(bytes), size: bytes.byteLength }
}

/** An image with random layers; the bytes are no tar archives, nothing here unpacks them. */
export function sampleImage(options: SampleOptions = {}): Sample {
  const { layerSizes = [10_000, 2_000], architecture = 'amd64', style = 'oci', variant } = options
  const isOci = style === 'oci'
  const layerBytes = options.layers ?? layerSizes.map((size) => randomBytes(size))
  const layers = layerBytes.map((b) => describeBytes(isOci ? mediaType.ociLayer : mediaType.dockerLayer, b))
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      ...(variant === undefined ? {} : { variant }),
      config: { Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: layers.map((l) => l.digest) },
    }),
  )
  const config = describeBytes(isOci ? mediaType.ociConfig : mediaType.dockerConfig, configBytes)
  const type = isOci ? mediaType.ociManifest : mediaType.dockerManifest
  const manifestBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers }))
  return {
    manifest: describeBytes(type, manifestBytes),
    manifestBytes,
    config,
    configBytes,
    layers,
    layerBytes,
  }
}

/** An index of samples; `extra` entries are put behind them as they are. */
export function sampleIndex(
  entries: readonly { readonly sample: Sample; readonly platform?: Descriptor['platform'] }[],
  extra: readonly Descriptor[] = [],
): { readonly descriptor: Descriptor; readonly bytes: Buffer } {
  const manifests = entries.map(({ sample, platform }) => ({
    ...sample.manifest,
    ...(platform && { platform }),
  }))
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaType.ociIndex, manifests: [...manifests, ...extra] }),
  )
  return { descriptor: describeBytes(mediaType.ociIndex, bytes), bytes }
}

/** Puts everything of an image into a repository of the test registry. */
export function seedRegistry(registry: TestRegistry, repository: string, sample: Sample, tag?: string): void {
  for (const bytes of [...sample.layerBytes, sample.configBytes]) registry.addBlob(repository, bytes)
  registry.addManifest(repository, tag, sample.manifest.mediaType, sample.manifestBytes)
}

/** Puts everything of an image into a store, under a name where one is given. */
export async function seedStore(store: ContentStore, sample: Sample, name?: string): Promise<void> {
  const contents: readonly (readonly [Descriptor, Buffer])[] = [
    ...sample.layers.map((layer, i) => [layer, sample.layerBytes[i] ?? Buffer.alloc(0)] as const),
    [sample.config, sample.configBytes],
    [sample.manifest, sample.manifestBytes],
  ]
  for (const [descriptor, bytes] of contents) await store.put(descriptor, bytes)
  if (name !== undefined) await store.tag(name, sample.manifest)
}
