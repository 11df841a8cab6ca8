// What of an input decides the result of an exec op that only mounts it: the content at the mounts' sources.
import { digestOfJson } from '../../core/canonical-json.ts'
import type { Context } from '../../core/context.ts'
import type { Digest } from '../../core/digest.ts'
import type { OpOf } from '../../graph/op.ts'
import type { Result } from '../../solve/types.ts'
import type { Sources } from '../copy/sources.ts'
import { copyOf, selectOne, sourcesOf } from './source.ts'

/** The digest of what the mounts of `op` show of input `index`; undefined for the root, which counts by its id. */
export async function mountedContent(
  sources: Sources,
  op: OpOf<'exec'>,
  index: number,
  input: Result,
  cx: Context,
): Promise<Digest | undefined> {
  if (index === op.root) return undefined
  const digests: Digest[] = []
  for (const path of sourcesOf(op, index)) digests.push(await contentAt(sources, input, path, cx))
  const [only] = digests
  return digests.length === 1 ? only : digestOfJson({ mounted: digests })
}

/**
 * The digest of what is at `path` in `input`: names, modes, owners, content, of a directory its own metadata, too, which
 * COPY would not copy. A base image is pinned by a digest of all its content: of the whole of one that is the answer.
 */
export async function contentAt(sources: Sources, input: Result, path: string, cx: Context): Promise<Digest> {
  if (path === '/' && input.layers.every(({ kind }) => kind === 'blob')) return input.id
  const source = await sources(input, cx)
  const action = copyOf(path, 0)
  const { type, mode, uid, gid } = (await selectOne(source, action)).entry
  return digestOfJson({ mounted: [type, mode, uid, gid, await source.digest(action, cx.signal)] })
}
