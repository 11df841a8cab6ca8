// What `slipway cache` does with the caches of RUN --mount=type=cache.
import { createReadStream } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { exportCaches, importCaches, sizeOf } from '../cache-mounts/archive.ts'
import { type CacheInstance, openCaches } from '../cache-mounts/caches.ts'
import { shownId } from '../cache-mounts/name.ts'
import type { Context } from '../core/context.ts'
import { nearest } from '../core/diagnostic.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { writeFileWhole, writeStream } from '../export/destination.ts'
import { abortable } from '../store/abortable.ts'
import type { Host } from './host.ts'

export interface CacheRow {
  readonly id: string
  /** 64 hex digits: what the directory is called. */
  readonly name: string
  /** Other than 0: made because the ones before it were in use. */
  readonly instance: number
  readonly sizeBytes: number
  readonly files: number
  /** RFC 3339: when a step last got it. */
  readonly used: string
  readonly directory: string
}

function optionsOf({ directory, native, snapshotter }: Host) {
  return { root: directory, native, snapshotter }
}

/** All caches, by id. */
export async function listCaches(host: Host): Promise<readonly CacheRow[]> {
  const instances = await openCaches(optionsOf(host)).list()
  const rows: CacheRow[] = []
  for (const { identity, name, instance, directory, used } of instances) {
    const size = await sizeOf(directory, host.native)
    rows.push({ id: shownId(identity.id), name, instance, ...size, used: used.toISOString(), directory })
  }
  return rows
}

/** Writes the caches with these ids, or all, to a file or (`-`) to `stdout`. Throws ERR_CACHE_MISSING. */
export async function writeCaches(
  host: Host,
  {
    ids,
    dest,
    stdout,
  }: { readonly ids: readonly string[]; readonly dest: string; readonly stdout: Writable },
  cx: Context,
): Promise<readonly CacheInstance[]> {
  const { signal } = cx
  const caches = chosen(await openCaches(optionsOf(host)).list(), ids)
  const archive = exportCaches(caches, { ...optionsOf(host), signal })
  if (dest === '-') await writeStream(stdout, archive, signal)
  else await writeFileWhole(dest, archive, signal)
  return caches
}

/** Makes the caches of an archive in a file or (`-`) from `stdin`, in the place of those there were; their ids. Throws ERR_FILE_UNREADABLE and as importCaches. */
export async function readCaches(
  host: Host,
  { source, stdin }: { readonly source: string; readonly stdin: Readable },
  cx: Context,
): Promise<readonly string[]> {
  // Whoever would write to it may never do so; nothing else ends a read.
  const body = abortable(source === '-' ? stdin : createReadStream(source), cx.signal)
  try {
    const made = await importCaches(body, { ...optionsOf(host), signal: cx.signal })
    return made.map(({ id }) => shownId(id))
  } catch (thrown) {
    cx.signal.throwIfAborted()
    if (thrown instanceof SlipwayError) throw ofArchive(thrown, source)
    const errno = errnoOf(thrown)
    if (errno === undefined) throw thrown
    const reason = errno === 'ENOENT' ? 'no such file' : errno === 'EISDIR' ? 'it is a directory' : errno
    throw new SlipwayError({
      code: 'ERR_FILE_UNREADABLE',
      message: `read ${source}: ${reason}`,
      cause: thrown,
    })
  }
}

/** What is wrong with the archive says which one it is. */
function ofArchive(thrown: SlipwayError, source: string): SlipwayError {
  const { code, message, hint } = thrown
  if (!code.startsWith('ERR_TAR_')) return thrown
  return new SlipwayError({
    code,
    message: message.replace(/^read tar: /, `import ${source === '-' ? 'standard input' : source}: `),
    ...(hint === undefined ? {} : { hint }),
    cause: thrown,
  })
}

/** One directory of each cache: others were only made because that was in use. */
function chosen(all: readonly CacheInstance[], ids: readonly string[]): CacheInstance[] {
  const known = all.map(({ identity }) => shownId(identity.id))
  for (const id of ids) {
    if (known.includes(id)) continue
    const near = nearest(id, known)
    throw new SlipwayError({
      code: 'ERR_CACHE_MISSING',
      message: `export cache ${id}: there is none of that id`,
      hint: near === undefined ? 'slipway cache ls shows those there are' : `did you mean ${near}?`,
    })
  }
  const first = new Map<string, CacheInstance>()
  for (const cache of all) {
    if (ids.length > 0 && !ids.includes(shownId(cache.identity.id))) continue
    if (!first.has(cache.name)) first.set(cache.name, cache)
  }
  return [...first.values()]
}
