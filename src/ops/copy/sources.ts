// Finds the source tree behind an op's input, one per build, and remembers what was selected from it: the
// copy works on the very listing that was digested.
import { realpathSync } from 'node:fs'
import type { Selector } from '../../buildkit/vertex.ts'
import { bytesOf } from '../../core/byte-string.ts'
import type { Context } from '../../core/context.ts'
import type { Digest } from '../../core/digest.ts'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import { ignoreMatcher } from '../../dockerfile/ignore-matcher.ts'
import { mergedTree } from '../../snapshot/merged-tree.ts'
import type { FileList, LayerRef, Result } from '../../solve/types.ts'
import type { WriteHint } from '../../store/hints.ts'
import type { Native } from '../../sys/native.ts'
import type { LayerSource } from '../layers.ts'
import { buildkitDigests } from './buildkit-matches.ts'
import { entriesOf } from './content-digest.ts'
import { confirmSelection, digestSelection, listSelection, type Selection } from './digest-selection.ts'
import { type FreshFiles, freshFiles } from './fresh-files.ts'
import { imageTree } from './image-tree.ts'
import { localTree } from './local-tree.ts'
import { watchRemembered } from './remembered.ts'
import { type CopyAction, type Selected, select } from './select.ts'
import type { SourceTree } from './source-tree.ts'
import { openStatCache, type StatCache } from './stat-cache.ts'
import { storageTime } from './storage-time.ts'
import { openTreeCache, type TreeCache } from './tree-cache.ts'

export interface SourcesOptions {
  readonly native: Native
  readonly layers: LayerSource
  /** The path of the local directory an op calls `name` (`context`, a named context); undefined for one without files. */
  directoryOf(name: string): string | undefined
  /** Where an ignore pattern of that directory stands, by its index: `Dockerfile.dockerignore:3`. */
  placeOfPattern?(name: string, index: number): string | undefined
  /** Where digests of local files are remembered between builds: `<root>/stat-cache`. */
  readonly statCacheDirectory: string
  readonly writeHint: WriteHint
}

/** One input as a source. */
export interface Source {
  readonly tree: SourceTree
  select(action: CopyAction): Promise<readonly Selected[]>
  /** By what versions of BuildKit know the files that `selectors` select; none when one of them is not there. */
  buildkitDigests(selectors: readonly Selector[], signal: AbortSignal): Promise<readonly Digest[]>
  /** The digest of the content that `action` selects. */
  digest(action: CopyAction, signal: AbortSignal): Promise<Digest>
  /** What `digest` covers, file by file. */
  list(action: CopyAction, signal: AbortSignal): Promise<FileList>
  /** Throws ERR_CONTEXT_CHANGED unless `select` gives what `digest` stood for; for local directories, where that may differ. */
  confirm(action: CopyAction, signal: AbortSignal): Promise<void>
  /** Throws ERR_CONTEXT_CHANGED if what was selected is not any more what it was when it was listed and digested. */
  verify(selected: readonly Selected[], signal: AbortSignal): Promise<void>
}

/** The source behind an input; the same one for every caller with the same context. */
export type Sources = (input: Result, cx: Context) => Promise<Source>

export function openSources(options: SourcesOptions): Sources {
  const perBuild = new WeakMap<Context, Map<string, Promise<Source>>>()
  return (input, cx) => {
    const known = perBuild.get(cx) ?? new Map<string, Promise<Source>>()
    perBuild.set(cx, known)
    const local = localLayer(input)
    const key = local === undefined ? input.id : JSON.stringify([local.name, local.ignore])
    const found = known.get(key) ?? openSource(options, input, local, cx)
    known.set(key, found)
    return found
  }
}

type DirectoryRef = Extract<LayerRef, { kind: 'directory' }>

function localLayer(input: Result): DirectoryRef | undefined {
  const [first] = input.layers
  return first?.kind === 'directory' ? first : undefined
}

async function openSource(
  options: SourcesOptions,
  input: Result,
  local: DirectoryRef | undefined,
  cx: Context,
): Promise<Source> {
  if (local !== undefined) return openLocal(options, local)
  const directories = await options.layers.directories(input.layers, cx)
  return source(options.native, imageTree(mergedTree(directories, { native: options.native })))
}

async function openLocal(options: SourcesOptions, local: DirectoryRef): Promise<Source> {
  const directory = options.directoryOf(local.name)
  const description =
    local.name === 'context' ? 'build context' : `build context ${JSON.stringify(local.name)}`
  if (directory === undefined) return source(options.native, emptyTree(description, options.native))
  const path = realPath(directory, local.name)
  const { statCacheDirectory } = options
  const now = storageTime(statCacheDirectory)
  const fresh = freshFiles(options.native, now)
  const tree = localTree({
    root: bytesOf(path),
    description,
    ...(local.ignore.length === 0 ? {} : { ignore: ignoreMatcher(local.ignore, { asTransfer: true }) }),
    placeOfPattern: (index) => options.placeOfPattern?.(local.name, index),
    native: options.native,
  })
  const memory = { write: options.writeHint, remembered: watchRemembered(statCacheDirectory, now) }
  return source(options.native, tree, {
    statCache: openStatCache(statCacheDirectory, path, memory),
    tarsums: openStatCache(statCacheDirectory, `${path}\0tarsum`, memory),
    treeCache: openTreeCache(statCacheDirectory, [path, local.ignore], memory),
    fresh,
  })
}

/** As BuildKit has it: a Dockerfile that comes alone has a context, but nothing is in it. */
function emptyTree(description: string, native: Native): SourceTree {
  const nothing = 'only a Dockerfile came on standard input; name the directory: slipway build -f - DIRECTORY'
  return { ...imageTree(mergedTree([], { native })), description, whyMissing: async () => nothing }
}

/** Only of local directories: what images hold is immutable and hashed once per key. */
interface Caches {
  readonly fresh: FreshFiles
  readonly statCache: StatCache
  /** Of what BuildKit calls a file's digest. */
  readonly tarsums: StatCache
  readonly treeCache: TreeCache
}

function source(native: Native, tree: SourceTree, caches?: Caches): Source {
  const selections = new Map<string, Promise<readonly Selected[]>>()
  const recalled = new Map<string, Digest>()
  const read: Selection['read'] = new Map()
  const nameOf = ({ sources, exclude, parents, instruction }: CopyAction): string =>
    JSON.stringify([sources, exclude, parents, instruction])
  const selectOnce = (action: CopyAction): Promise<readonly Selected[]> => {
    const name = nameOf(action)
    const found = selections.get(name) ?? select(tree, action)
    selections.set(name, found)
    return found
  }
  const selectionOf = (action: CopyAction): Selection => ({
    tree,
    action,
    name: nameOf(action),
    select: () => selectOnce(action),
    native,
    statCache: caches?.statCache,
    treeCache: caches?.treeCache,
    fresh: caches?.fresh,
    read,
  })
  return {
    tree,
    select: selectOnce,
    buildkitDigests: (selectors, signal) =>
      buildkitDigests(tree, selectors, { native, signal, cache: caches?.tarsums }),
    async digest(action, signal) {
      const selection = selectionOf(action)
      const { digest, isRecalled } = await digestSelection(selection, signal)
      if (isRecalled) recalled.set(selection.name, digest)
      return digest
    },
    list: (action, signal) => listSelection(selectionOf(action), signal),
    async confirm(action, signal) {
      const selection = selectionOf(action)
      const digest = recalled.get(selection.name)
      if (digest !== undefined) await confirmSelection(selection, digest, signal)
    },
    async verify(selected, signal) {
      const entries = entriesOf(selected)
      await tree.verify(entries)
      await caches?.fresh.verify(entries, signal)
    },
  }
}

function realPath(path: string, name: string): string {
  try {
    return realpathSync.native(path)
  } catch (thrown) {
    throw new SlipwayError({
      code: 'ERR_CONTEXT_MISSING',
      message: `open ${name} ${path}: ${errnoOf(thrown) === 'ENOENT' ? 'no such directory' : errnoOf(thrown)}`,
      cause: thrown,
    })
  }
}
