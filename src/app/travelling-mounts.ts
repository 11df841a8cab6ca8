// Cache mounts that come and go with a remote cache.
import { Readable } from 'node:stream'
import { exportCaches, importCaches } from '../cache-mounts/archive.ts'
import { openCaches } from '../cache-mounts/caches.ts'
import { shownId } from '../cache-mounts/name.ts'
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import { compress } from '../layer/compression.ts'
import { mountsType } from '../remote-cache/mounts-manifest.ts'
import type { CacheImporter, CacheSink } from '../remote-cache/types.ts'
import type { Host } from './host.ts'

/** Makes those of the wanted cache mounts that this machine does not have: what it has is newer. The ids of what was made. */
export async function bringMounts(
  host: Host,
  importer: CacheImporter,
  ids: readonly string[],
  cx: Context,
): Promise<readonly string[]> {
  const options = { root: host.directory, native: host.native, snapshotter: host.snapshotter }
  const here = new Set((await openCaches(options).list()).map(({ identity }) => shownId(identity.id)))
  const wanted = new Set(ids.filter((id) => !here.has(id)))
  const found = wanted.size === 0 ? undefined : await importer.loadMounts?.(cx)
  if (found === undefined) return []
  const { signal } = cx
  const body = await found.reader.open(found.archive, { signal })
  try {
    // An archive from elsewhere makes nothing that was not asked for.
    const isWanted = ({ id }: { readonly id: string }): boolean => wanted.has(shownId(id))
    const made = await importCaches(body, { ...options, signal, isWanted })
    return made.map(({ id }) => shownId(id))
  } finally {
    body.destroy()
  }
}

/** Sends cache mounts along. Throws ERR_CACHE_MISSING when there is none of these ids. */
export async function sendMounts(
  host: Host,
  sink: CacheSink,
  ids: readonly string[],
  cx: Context,
): Promise<void> {
  const { signal } = cx
  const options = { root: host.directory, native: host.native, snapshotter: host.snapshotter }
  const chosen = (await openCaches(options).list()).filter(
    ({ identity, instance }) => instance === 0 && ids.includes(shownId(identity.id)),
  )
  if (chosen.length === 0) {
    throw new SlipwayError({
      code: 'ERR_CACHE_MISSING',
      message: `export cache mounts ${ids.join(', ')}: there are none of these ids`,
      hint: 'slipway cache ls shows those there are',
    })
  }
  const archive = compress(exportCaches(chosen, { ...options, signal }), 'gzip', {})
  const body = Readable.from(archive, { objectMode: false, highWaterMark: 1 << 20 })
  try {
    const stored = await host.store.put({ mediaType: mountsType }, body, { signal })
    await sink.putMounts?.(stored, host.store, cx)
  } finally {
    body.destroy()
  }
}
