// Copies of what mounts show of local directories: without what is ignored, owned by root, and as it was when the
// build read it. Made when a step first runs with them, shared by the steps of a build, gone with it.
import { chmodSync, utimesSync } from 'node:fs'
import type { Context } from '../../core/context.ts'
import { invariant } from '../../core/error.ts'
import type { Active, Snapshotter } from '../../snapshot/types.ts'
import type { Result } from '../../solve/types.ts'
import type { Native } from '../../sys/native.ts'
import type { Sources } from '../copy/sources.ts'
import { copyInto } from '../file.ts'
import { copyOf, selectOne } from './source.ts'

export interface ContextCopiesOptions {
  readonly native: Native
  readonly snapshotter: Pick<Snapshotter, 'prepare'>
  readonly sources: Sources
}

/** A directory as a layer, and the path in it that a mount shows. */
export interface ContextCopy {
  readonly directory: string
  readonly path: string
}

export interface ContextCopies extends AsyncDisposable {
  /** The copy of what is at `path` in the local directory `input`; the same for everybody who asks. */
  copy(input: Result, path: string, cx: Context): Promise<ContextCopy>
}

/**
 * The copies of one build. They are of that build alone: what is equal in content may differ in its times, and a step
 * that keeps results between builds (make) goes by these.
 */
export function openContextCopies(options: ContextCopiesOptions): ContextCopies {
  const copies = new Map<string, Promise<ContextCopy>>()
  const actives: Active[] = []
  return {
    copy(input, path, cx) {
      const [layer] = input.layers
      invariant(layer?.kind === 'directory', 'a copy of a context was asked for of something else')
      const key = JSON.stringify([layer.name, layer.ignore, path])
      const made = copies.get(key) ?? make(options, actives, { input, path, cx })
      copies.set(key, made)
      // What was given up with one solve is made by the next.
      made.catch(() => copies.delete(key))
      return made
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(copies.values())
      for (const active of actives) await active[Symbol.asyncDispose]()
    },
  }
}

async function make(
  { native, snapshotter, sources }: ContextCopiesOptions,
  actives: Active[],
  { input, path, cx }: { readonly input: Result; readonly path: string; readonly cx: Context },
): Promise<ContextCopy> {
  const active = await snapshotter.prepare([])
  actives.push(active)
  const action = copyOf(path, 0)
  await copyInto(active, { action, input, cx }, { native, sources })
  const { entry, name } = await selectOne(await sources(input, cx), action)
  if (entry.type !== 'directory') return { directory: active.upper, path: `/${name}` }
  const seconds = Number(entry.mtimeNs) / 1e9
  chmodSync(active.upper, entry.mode)
  utimesSync(active.upper, seconds, seconds)
  return { directory: active.upper, path: '/' }
}
