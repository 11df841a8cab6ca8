// Cache mounts: which cache a mount means, what a new one begins as, and whose it is.
import { lstatSync, readdirSync } from 'node:fs'
import type { Caches, UsedCache } from '../../cache-mounts/caches.ts'
import { type CacheIdentity, cacheName } from '../../cache-mounts/name.ts'
import type { Context } from '../../core/context.ts'
import { invariant } from '../../core/error.ts'
import type { ExecMount } from '../../graph/op.ts'
import type { Mount } from '../../sandbox/types.ts'
import type { Result } from '../../solve/types.ts'
import { applyFileOperations } from '../../sys/files.ts'
import type { Native } from '../../sys/native.ts'
import type { UserIds } from '../copy/owner.ts'
import type { Sources } from '../copy/sources.ts'
import { copyInto } from '../file.ts'
import { contentAt } from './content.ts'
import { copyOf, selectOne } from './source.ts'

export type CacheMount = Extract<ExecMount, { kind: 'cache' }>

export interface CacheDependencies {
  readonly native: Native
  readonly caches: Pick<Caches, 'use'>
  readonly sources: Sources
}

export interface CacheTask {
  readonly inputs: readonly Result[]
  /** The ids of the step's USER. Throws ERR_SANDBOX_USER where the image does not know it. */
  user(): UserIds
  readonly cx: Context
}

export interface PreparedCaches extends AsyncDisposable {
  /** What the sandbox is given for each. */
  readonly mounts: ReadonlyMap<CacheMount, Mount>
  readonly warnings: readonly string[]
}

/** Holds the caches of all these mounts until it is disposed of. */
export async function prepareCaches(
  dependencies: CacheDependencies,
  mounts: readonly CacheMount[],
  task: CacheTask,
): Promise<PreparedCaches> {
  const wanted = new Map<string, Wanted>()
  for (const mount of mounts) {
    const beginning = await beginningOf(dependencies, mount, task)
    const name = cacheName(beginning.identity)
    const known = wanted.get(name)
    if (known === undefined) wanted.set(name, { beginning, mounts: [mount] })
    else known.mounts.push(mount)
  }
  const used: UsedCache[] = []
  const dispose = async (): Promise<void> => {
    for (const cache of used) await cache[Symbol.asyncDispose]()
  }
  try {
    const prepared = new Map<CacheMount, Mount>()
    const warnings: string[] = []
    // In one order in all steps, so that no two wait for each other.
    for (const name of [...wanted.keys()].sort()) {
      const { beginning, mounts: same } = wanted.get(name) ?? missing()
      const { identity, fill, file } = beginning
      const sharing = strictest(same)
      const cache = await dependencies.caches.use({ identity, sharing, fill }, task.cx.signal)
      used.push(cache)
      for (const mount of same) {
        const { target, readonly } = mount
        const source = file === undefined ? cache.directory : `${cache.directory}/${file}`
        prepared.set(mount, { kind: 'bind', source, target, readOnly: readonly })
        warnings.push(...(await settleOwner(dependencies, mount, cache.directory, task)))
      }
    }
    return { mounts: prepared, warnings, [Symbol.asyncDispose]: dispose }
  } catch (thrown) {
    await dispose()
    throw thrown
  }
}

interface Wanted {
  readonly beginning: Beginning
  readonly mounts: CacheMount[]
}

interface Beginning {
  readonly identity: CacheIdentity
  fill(active: {
    readonly lower: readonly string[]
    readonly upper: string
    readonly work: string
  }): Promise<void>
  /** The name in the cache of the file that the mount shows. */
  readonly file?: string
}

async function beginningOf(
  { native, sources }: CacheDependencies,
  { id, start }: CacheMount,
  { inputs, user, cx }: CacheTask,
): Promise<Beginning> {
  if (!('input' in start)) {
    const { mode, uid, gid } = start
    const isPlain = mode === plainMode && uid === undefined && gid === undefined
    return {
      identity: isPlain
        ? { id }
        : {
            id,
            start: { mode, ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) },
          },
      async fill({ upper }) {
        const ids = uid === undefined || gid === undefined ? user() : undefined
        await dress(
          upper,
          { mode, uid: uid ?? ids?.uid ?? 0, gid: gid ?? ids?.gid ?? 0 },
          { native, signal: cx.signal },
        )
      },
    }
  }
  const input = inputs[start.input]
  invariant(input, 'a cache mount names an input that its op does not have')
  const action = copyOf(start.source, 0)
  const { entry, name } = await selectOne(await sources(input, cx), action)
  return {
    identity: { id, start: { content: await contentAt(sources, input, start.source, cx) } },
    async fill(active) {
      await copyInto(active, { action, input, cx }, { native, sources })
      if (entry.type === 'directory') await dress(active.upper, entry, { native, signal: cx.signal })
    },
    ...(entry.type === 'directory' ? {} : { file: name }),
  }
}

const plainMode = 0o755

/** Gives a directory its mode and owner, by the helper, which can where this user has no such ids. */
async function dress(
  path: string,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
  options: { readonly native: Native; readonly signal: AbortSignal },
): Promise<void> {
  await applyFileOperations(
    { kind: 'directory', path },
    [{ op: 'directory', path: '', mode, uid, gid }],
    options,
  )
}

/** A step that mounts a cache twice has it in both places. */
function strictest(mounts: readonly CacheMount[]): CacheMount['sharing'] {
  return (
    (['locked', 'private'] as const).find((one) => mounts.some(({ sharing }) => sharing === one)) ?? 'shared'
  )
}

function missing(): never {
  invariant(false, 'a cache was asked for by nobody')
}

/**
 * Differs: without uid= a cache belongs to USER, in BuildKit to root, so that nobody else can use it (moby/buildkit#1237).
 * While it is empty it goes to whoever comes; one with files stays whose it is, and that is told if it will not do.
 */
async function settleOwner(
  { native }: CacheDependencies,
  { target, start }: CacheMount,
  directory: string,
  task: CacheTask,
): Promise<string[]> {
  if ('input' in start || start.uid !== undefined) return []
  const ids = task.user()
  if (ids.uid === 0) return []
  const { uid, gid, mode } = lstatSync(directory)
  const isWritable = uid === ids.uid ? mode & 0o200 : gid === ids.gid ? mode & 0o020 : mode & 0o002
  if (isWritable) return []
  if (readdirSync(directory).length > 0) {
    return [
      `the cache at ${target} belongs to ${uid}:${gid}, USER ${ids.uid}:${ids.gid} may not be able to write to it`,
    ]
  }
  const look = { mode: start.mode, uid: ids.uid, gid: start.gid ?? ids.gid }
  await dress(directory, look, { native, signal: task.cx.signal })
  return []
}
