// A cache in a repository of a registry: read like an image, written blob by blob as the build goes on.
import { cacheConfigType, encodeCacheConfig } from '../buildkit/cache-config.ts'
import { SlipwayError } from '../core/error.ts'
import { formatReference, type ImageRef } from '../core/reference.ts'
import { encoded } from '../image/encode.ts'
import { transferOptions } from '../registry/transfer.ts'
import type { Registry } from '../registry/types.ts'
import { copyBlobs } from '../store/copy.ts'
import { listedLayers } from './listed-layers.ts'
import { loadCaches } from './load.ts'
import { encodeCacheManifest, type ManifestForm } from './manifest.ts'
import { encodeMountsManifest, mountsTag, readMountsManifest } from './mounts-manifest.ts'
import type { CacheImporter, CacheSink } from './types.ts'

/** The cache under a reference: one of its own, or that of an image. */
export function registryImporter(open: () => Promise<Registry>, ref: ImageRef): CacheImporter {
  const source = formatReference(ref)
  return {
    name: source,
    async load({ signal }) {
      const repository = (await open()).repository(ref)
      const reference = ref.digest ?? ref.tag ?? 'latest'
      const found = await repository.resolve(reference, { signal }).catch((thrown: unknown) => {
        if (thrown instanceof SlipwayError && thrown.code === 'ERR_REGISTRY_NOT_FOUND') return undefined
        throw thrown
      })
      return found === undefined ? [] : loadCaches(found, { source, reader: repository, signal })
    },
    async loadMounts({ signal }) {
      const repository = (await open()).repository(ref)
      const tag = mountsTag(ref.tag ?? 'latest')
      if (ref.digest !== undefined || (await repository.head(tag, { signal })) === undefined) return undefined
      const { bytes, descriptor } = await repository.resolve(tag, { signal })
      const archive = readMountsManifest(bytes, descriptor.mediaType)
      return archive && { archive, reader: repository }
    },
  }
}

export interface RegistrySinkOptions {
  readonly form: ManifestForm
  /** Repositories that may hold a blob, so that it need not be sent. */
  mountFrom(digest: string): Promise<readonly string[]>
}

/** Writes a cache to where a reference says. */
export function registrySink(
  open: () => Promise<Registry>,
  ref: ImageRef,
  { form, mountFrom }: RegistrySinkOptions,
): CacheSink {
  const name = formatReference(ref)
  const step = `cache-to ${name}`
  return {
    name,
    async putLayer({ descriptor }, from, cx) {
      const registry = await open()
      const target = registry.repository(ref, { push: true, mountFrom })
      await copyBlobs(from, target, [descriptor], transferOptions(registry, step, cx))
    },
    async publish(config, layers, { signal }) {
      const target = (await open()).repository(ref, { push: true })
      const { descriptor, bytes } = encoded(cacheConfigType, Buffer.from(encodeCacheConfig(config)))
      if (!(await target.has(descriptor, { signal }))) await target.put(descriptor, bytes, { signal })
      const manifest = encodeCacheManifest(descriptor, listedLayers(config, layers), form)
      await target.put(manifest.descriptor, manifest.bytes, { signal })
      await target.tag(ref.tag ?? 'latest', manifest.descriptor, { signal })
    },
    async putMounts(archive, from, cx) {
      const registry = await open()
      const target = registry.repository(ref, { push: true })
      await copyBlobs(from, target, [archive], transferOptions(registry, step, cx))
      const { manifest, config } = encodeMountsManifest(archive)
      const options = { signal: cx.signal }
      if (!(await target.has(config.descriptor, options)))
        await target.put(config.descriptor, config.bytes, options)
      await target.put(manifest.descriptor, manifest.bytes, options)
      await target.tag(mountsTag(ref.tag ?? 'latest'), manifest.descriptor, options)
    },
  }
}
