// The directories of cache mounts: `cache-mounts/<name>/<instance>/fs`, when one was used last is the time of `used`
// beside it, what a cache is stands in `cache-mounts/<name>/cache.json`. Plain directories, which outlive builds; several processes use them at the same time. What is in them is the steps'.
import { lstatSync, mkdirSync, readdirSync, renameSync, type Stats, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf } from '../core/error.ts'
import type { Active, Snapshotter } from '../snapshot/types.ts'
import { withLock } from '../store/locks.ts'
import { writeUnsynced } from '../store/replace-file.ts'
import { onDisk } from '../store/storage-failure.ts'
import type { Native } from '../sys/native.ts'
import { type Hold, hold, type Sharing } from './hold.ts'
import { type CacheIdentity, cacheName } from './name.ts'

export interface CachesOptions {
  /** `<root>/store-v1`. */
  readonly root: string
  readonly native: Native
  /** Where new caches are made. */
  readonly snapshotter: Pick<Snapshotter, 'prepare'>
}

export interface CacheUse {
  readonly identity: CacheIdentity
  readonly sharing: Sharing
  /** Makes what a new cache begins as in the empty directory `active.upper`; its mode and owner become the cache's. */
  fill(active: Active): Promise<void>
}

/** A directory of a cache that nobody takes away or, if it is not shared, writes to until it is disposed of. */
export interface UsedCache extends AsyncDisposable {
  /** Absolute. */
  readonly directory: string
}

/** A cache that is there. */
export interface CacheInstance {
  readonly name: string
  readonly instance: number
  readonly identity: CacheIdentity
  readonly directory: string
  /** When a step last got it. */
  readonly used: Date
}

export interface Caches {
  use(request: CacheUse, signal: AbortSignal): Promise<UsedCache>
  /** All of them, by id. */
  list(): Promise<readonly CacheInstance[]>
}

/** The caches of one state directory. */
export function openCaches(options: CachesOptions): Caches {
  const places = placesOf(options.root)
  return {
    async use({ identity, sharing, fill }, signal) {
      const name = cacheName(identity)
      const held = await hold(options.native, {
        sharing,
        signal,
        lockPath: (instance) => places.lock(name, instance),
        exists: (instance) => isThere(places.content(name, instance)),
      })
      try {
        const directory = places.content(name, held.instance)
        if (!isThere(directory)) await make(options, { name, identity, held, fill, signal })
        // Its time is when the cache was last used.
        writeFileSync(places.used(name, held.instance), '')
        return { directory, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() }
      } catch (thrown) {
        await held[Symbol.asyncDispose]()
        throw thrown
      }
    },
    list: () => list(places),
  }
}

/** Where the parts of caches are below a state directory. */
export function placesOf(root: string) {
  const top = `${root}/cache-mounts`
  const instance = (name: string, number: number): string => `${top}/${name}/${number}`
  return {
    top,
    instance,
    used: (name: string, number: number): string => `${instance(name, number)}/used`,
    content: (name: string, number: number): string => `${instance(name, number)}/fs`,
    about: (name: string): string => `${top}/${name}/cache.json`,
    lock: (name: string, number: number): string => `${root}/locks/cache-${name}-${number}`,
  }
}

interface Making {
  readonly name: string
  readonly identity: CacheIdentity
  readonly held: Hold
  readonly fill: CacheUse['fill']
  readonly signal: AbortSignal
}

/** Under a lock of its own: those who share a cache all find that it is missing. */
async function make({ root, native, snapshotter }: CachesOptions, making: Making): Promise<void> {
  const { name, identity, held, fill, signal } = making
  const places = placesOf(root)
  const directory = places.content(name, held.instance)
  await withLock(
    native,
    { path: `${places.lock(name, held.instance)}-make`, signal, remove: true },
    async () => {
      if (isThere(directory)) return
      await using active = await snapshotter.prepare([])
      await fill(active)
      signal.throwIfAborted()
      await publish(root, { name, instance: held.instance, identity, from: active.upper })
    },
  )
}

/** Makes the directory `from`, of a workspace, the content of an instance that has none. */
export async function publish(
  root: string,
  {
    name,
    instance,
    identity,
    from,
  }: Pick<CacheInstance, 'name' | 'instance' | 'identity'> & { readonly from: string },
): Promise<void> {
  const places = placesOf(root)
  await onDisk('create', places.instance(name, instance), async () => {
    mkdirSync(places.instance(name, instance), { recursive: true, mode: 0o700 })
    await writeUnsynced(places.about(name), `${JSON.stringify({ version: 1, ...identity })}\n`, dirname(from))
    renameSync(from, places.content(name, instance))
  })
}

/** Whether anything is at `path`. */
export function isThere(path: string): boolean {
  return lstatOf(path) !== undefined
}

function lstatOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

async function list(places: ReturnType<typeof placesOf>): Promise<CacheInstance[]> {
  const found: CacheInstance[] = []
  for (const name of namesIn(places.top)) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue
    const identity = await readIdentity(places.about(name))
    if (identity === undefined) continue
    for (const number of namesIn(`${places.top}/${name}`)) {
      const instance = Number(number)
      const directory = places.content(name, instance)
      if (!/^\d+$/.test(number) || !isThere(directory)) continue
      const used = (lstatOf(places.used(name, instance)) ?? lstatSync(directory)).mtime
      found.push({ name, instance, identity, directory, used })
    }
  }
  return found.sort(
    (a, b) => compare(a.identity.id, b.identity.id) || compare(a.name, b.name) || a.instance - b.instance,
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw thrown
  }
}

async function readIdentity(path: string): Promise<CacheIdentity | undefined> {
  const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if (errnoOf(thrown) === 'ENOENT') return '{}'
    throw thrown
  })
  return parseIdentity(text)
}

/** The identity that `cache.json` holds; undefined for anything else: a power cut may leave it empty. */
export function parseIdentity(text: string): CacheIdentity | undefined {
  try {
    const { version, id, start } = JSON.parse(text) as Record<string, unknown>
    if (version !== 1 || typeof id !== 'string' || id === '') return undefined
    return { id, ...(start === undefined ? {} : { start: start as NonNullable<CacheIdentity['start']> }) }
  } catch {
    return undefined
  }
}
