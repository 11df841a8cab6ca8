// The content digest of what one COPY or ADD selects, by way of what earlier builds remembered about it.

import { bytesOf } from '../../core/byte-string.ts'
import { digestOfJson } from '../../core/canonical-json.ts'
import type { Digest } from '../../core/digest.ts'
import { SlipwayError } from '../../core/error.ts'
import { cleanPath } from '../../core/path.ts'
import { hasGlob } from '../../dockerfile/path-glob.ts'
import type { FileList } from '../../solve/types.ts'
import type { Native } from '../../sys/native.ts'
import { contentDigest, entriesOf } from './content-digest.ts'
import { fileList } from './file-list.ts'
import type { FreshFiles } from './fresh-files.ts'
import { hashFiles } from './hash-files.ts'
import type { CopyAction, Selected } from './select.ts'
import type { SourceTree } from './source-tree.ts'
import type { StatCache } from './stat-cache.ts'
import type { Looks, TreeCache } from './tree-cache.ts'

export interface Selection {
  readonly tree: SourceTree
  readonly action: CopyAction
  /** What the action is called in `treeCache`. */
  readonly name: string
  select(): Promise<readonly Selected[]>
  readonly native: Native
  readonly statCache: StatCache | undefined
  readonly treeCache: TreeCache | undefined
  /** Absent where files cannot change. */
  readonly fresh: FreshFiles | undefined
  /** What was read of the files, by this name, for whoever lists them afterwards. */
  readonly read: Map<string, readonly (string | undefined)[]>
}

/** The digest, and whether it was only recalled: then no file was looked into. */
export async function digestSelection(
  selection: Selection,
  signal: AbortSignal,
): Promise<{ readonly digest: Digest; readonly isRecalled: boolean }> {
  const { tree, action, name, treeCache } = selection
  const before = treeCache && (await looksOf(tree, action))
  if (treeCache === undefined || before === undefined) {
    return { digest: await readSelection(selection, signal), isRecalled: false }
  }
  const known = treeCache.find(name, before)
  if (known !== undefined) return { digest: known, isRecalled: true }
  const startNs = treeCache.now()
  const digest = await readSelection(selection, signal)
  // The listing that was digested, which may be a later one than `before`.
  const looks = await looksOf(tree, action)
  if (startNs !== undefined && looks !== undefined) treeCache.put(name, looks, digest, startNs)
  return { digest, isRecalled: false }
}

/** Throws ERR_CONTEXT_CHANGED if what is selected now is not what the recalled `digest` stands for. */
export async function confirmSelection(
  selection: Selection,
  digest: Digest,
  signal: AbortSignal,
): Promise<void> {
  if ((await readSelection(selection, signal)) === digest) return
  throw new SlipwayError({
    code: 'ERR_CONTEXT_CHANGED',
    message: `${selection.action.instruction} failed: the ${selection.tree.description} changed during the build`,
    hint: 'build again when nothing writes to the build context',
  })
}

/** The files, as far as they can be listed; read if nobody has read them yet. */
export async function listSelection(selection: Selection, signal: AbortSignal): Promise<FileList> {
  const { select, read, name } = selection
  const selected = await select()
  return fileList(selected, read.get(name) ?? (await hashSelection(selection, selected, signal)))
}

async function readSelection(selection: Selection, signal: AbortSignal): Promise<Digest> {
  const selected = await selection.select()
  return contentDigest(selected, await hashSelection(selection, selected, signal))
}

async function hashSelection(
  { native, statCache, fresh, read, name }: Selection,
  selected: readonly Selected[],
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> {
  const entries = entriesOf(selected)
  const sha256 = await hashFiles(entries, { native, signal, cache: statCache })
  fresh?.note(entries, sha256)
  // The content of images is not listed.
  if (statCache !== undefined) read.set(name, sha256)
  return sha256
}

/** Undefined where files are named one by one (looking at each is all there is to do) or cannot be found. */
async function looksOf(tree: SourceTree, { sources, parents }: CopyAction): Promise<Looks | undefined> {
  if (tree.listing === undefined || parents || sources.some(hasGlob)) return undefined
  const parts: unknown[] = []
  let newestNs: bigint | undefined
  const add = (ns: bigint): void => {
    if (newestNs === undefined || ns > newestNs) newestNs = ns
  }
  let hasDirectory = false
  for (const source of sources) {
    const entry = await tree.find(cleanPath(bytesOf(source)), true)
    if (entry?.type === 'directory') {
      const listing = await tree.listing(entry)
      hasDirectory = true
      parts.push(entry.path, listing.signature)
      if (listing.newestNs !== undefined) add(listing.newestNs)
    } else if (entry?.state !== undefined) {
      const { dev, ino, size, mtimeNs, ctimeNs } = entry.state
      parts.push(entry.path, entry.mode, [dev, ino, size, mtimeNs, ctimeNs].map(String))
      add(ctimeNs)
    } else return undefined
  }
  return hasDirectory && newestNs !== undefined ? { signature: digestOfJson(parts), newestNs } : undefined
}
