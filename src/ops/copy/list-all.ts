// The files that several selections of one source have between them.
import type { Context } from '../../core/context.ts'
import type { FileList } from '../../solve/types.ts'
import type { CopyAction } from './select.ts'
import type { Source } from './sources.ts'

/** The list of what the actions select; undefined where the source is no local directory, whose changes have other causes. */
export async function listAll(
  { tree, list }: Source,
  actions: readonly CopyAction[],
  cx: Context,
): Promise<FileList | undefined> {
  if (!tree.isLocal) return undefined
  const lists: FileList[] = []
  for (const action of actions) lists.push(await list(action, cx.signal))
  const [only] = lists
  return lists.length === 1 ? only : new Map(lists.flatMap((files) => [...files]))
}
