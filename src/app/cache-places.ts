// The places that remote caches are in, opened with what this machine has: its registry client, its credentials.
import type { ImageRef } from '../core/reference.ts'
import type { Registry } from '../registry/types.ts'
import { layoutImporter, layoutSink } from '../remote-cache/layout-cache.ts'
import { type ObjectStore, objectImporter, objectSink } from '../remote-cache/object-store.ts'
import { registryImporter, registrySink } from '../remote-cache/registry-cache.ts'
import {
  type CachePlace,
  type CacheSource,
  type GithubSpec,
  nameOfGithub,
  nameOfS3,
  type S3Spec,
} from '../remote-cache/spec.ts'
import type { CacheImporter, CacheSink } from '../remote-cache/types.ts'
import type { Host } from './host.ts'

/** Reads the cache of a `--cache-from`. */
export async function openImporter(host: Host, source: CacheSource): Promise<CacheImporter> {
  switch (source.type) {
    case 'registry':
      return registryImporter(() => clientFor(host, source.ref, source.insecure), source.ref)
    case 'local':
      return layoutImporter(source)
    case 's3':
      return objectImporter(() => s3StoreOf(host, source), nameOfS3(source))
    case 'gha':
      return objectImporter(() => githubStoreOf(host, source), nameOfGithub(source))
  }
}

/** Writes the cache of a `--cache-to`; undefined for one that has no place of its own. */
export function openSink(host: Host, place: CachePlace): CacheSink | undefined {
  switch (place.type) {
    case 'inline':
      return undefined
    case 'registry': {
      const mountFrom = (digest: Parameters<typeof host.store.origins>[0]) => host.store.origins(digest)
      return registrySink(() => clientFor(host, place.ref, place.insecure), place.ref, {
        form: place.form,
        mountFrom,
      })
    }
    case 'local':
      return layoutSink(place.directory, { ...place, native: host.native })
    case 's3':
      return objectSink(() => s3StoreOf(host, place), nameOfS3(place))
    case 'gha':
      return objectSink(() => githubStoreOf(host, place), nameOfGithub(place))
  }
}

/** The build's own client, or one that trusts this registry blindly, as `registry.insecure=true` asks. */
function clientFor(host: Host, ref: ImageRef, insecure: boolean): Promise<Registry> {
  return insecure ? host.insecureRegistry(ref.registry) : host.registry()
}

async function s3StoreOf(host: Host, { place, credentials }: S3Spec): Promise<ObjectStore> {
  const { openS3 } = await import('../remote-cache/s3-store.ts')
  return openS3(place, { exchange: await host.exchange(), credentials })
}

async function githubStoreOf(host: Host, { place }: GithubSpec): Promise<ObjectStore> {
  const { openGithub } = await import('../remote-cache/github-store.ts')
  return openGithub(place, await host.exchange())
}
