// Which files the sources of a COPY or ADD mean. Both the content digest and the copy work on the same
// selection; where the files go is decided in plan-copy.ts.

import { bytesOf, textOf } from '../../core/byte-string.ts'
import { nearest } from '../../core/diagnostic.ts'
import { SlipwayError } from '../../core/error.ts'
import { baseOf, cleanPath, joinPath, parentOf } from '../../core/path.ts'
import { type IgnoreMatcher, ignoreMatcher } from '../../dockerfile/ignore-matcher.ts'
import { globMatch, hasGlob, isGlob } from '../../dockerfile/path-glob.ts'
import type { FileAction } from '../../graph/op.ts'
import type { SourceEntry, SourceTree } from './source-tree.ts'

export type CopyAction = Extract<FileAction, { kind: 'copy' }>

/** An entry below a copied directory. */
export interface Below {
  /** Path relative to the copied directory. */
  readonly path: string
  readonly entry: SourceEntry
  /** Only there because something inside it is copied: an existing directory keeps its metadata. */
  readonly implied: boolean
}

/** One thing the sources of an instruction name. */
export interface Selected {
  /** With symbolic links followed. */
  readonly entry: SourceEntry
  /** What it is called inside a destination directory: the name before links were followed. */
  readonly name: string
  /** Each directory before what is in it. */
  readonly below: readonly Below[]
}

/** What `action` copies from `tree`, in the order of its sources. Throws ERR_COPY_NOT_FOUND, ERR_COPY_SPECIAL_FILE, ERR_COPY_PATTERN. */
export async function select(tree: SourceTree, action: CopyAction): Promise<readonly Selected[]> {
  const exclude = action.exclude.length === 0 ? undefined : matcherOf(action.exclude, action)
  const selected: Selected[] = []
  for (const source of action.sources) {
    if (action.parents) selected.push(...(await selectParents(tree, source, exclude, action)))
    else selected.push(...(await selectPlain(tree, source, exclude, action)))
  }
  return selected
}

async function selectPlain(
  tree: SourceTree,
  source: string,
  exclude: IgnoreMatcher | undefined,
  action: CopyAction,
): Promise<Selected[]> {
  const swept = hasGlob(source)
  const selected: Selected[] = []
  for (const { path, name } of await expand(tree, source, action)) {
    const entry = await tree.find(path, true)
    if (entry === undefined) throw await notFound(tree, path, action)
    if (entry.type !== 'directory') {
      // Differs: the documentation says so, but BuildKit judges only what is in directories (moby/buildkit#5489). The
      // pattern is judged against the file's own name: there is no directory it could be relative to.
      if (exclude?.(name, false).excluded === true) continue
      if (isCopied(entry)) selected.push({ entry, name, below: [] })
      else if (!swept) throw specialFile(entry, tree, path, action)
      continue
    }
    selected.push({ entry, name, below: await belowOf(tree, entry, exclude, undefined) })
  }
  return selected
}

/** `--parents`: what matches below the pivot (`pivot/./pattern`), with its directories. */
async function selectParents(
  tree: SourceTree,
  source: string,
  exclude: IgnoreMatcher | undefined,
  action: CopyAction,
): Promise<Selected[]> {
  const at = source.indexOf('/./')
  const pivotPattern = at === -1 ? '' : source.slice(0, at)
  const pattern = cleanPath(bytesOf(at === -1 ? source : source.slice(at + 3)))
  if (pattern === '') throw noPattern(source, action)
  const required = !hasGlob(pivotPattern) && !hasGlob(textOf(pattern))
  const include = matcherOf([textOf(pattern)], action)
  const selected: Selected[] = []
  for (const { path, name } of await expand(tree, pivotPattern, action)) {
    const pivot = await tree.find(path, true)
    if (pivot === undefined) throw await notFound(tree, path, action)
    // Differs: BuildKit copies files that a pivot pattern means, though nothing below them is asked for.
    if (pivot.type !== 'directory') continue
    const below = await belowOf(tree, pivot, exclude, include)
    if (required && (await tree.find(joinPath(pivot.path, pattern), false)) === undefined) {
      throw await notFound(tree, joinPath(path, pattern), action)
    }
    selected.push({ entry: pivot, name, below })
  }
  return selected
}

async function belowOf(
  tree: SourceTree,
  directory: SourceEntry,
  exclude: IgnoreMatcher | undefined,
  include: IgnoreMatcher | undefined,
): Promise<Below[]> {
  const start = directory.path === '' ? 0 : directory.path.length + 1
  const entries = await tree.walk(directory)
  if (exclude === undefined && include === undefined) {
    return entries.flatMap((entry) =>
      isCopied(entry) ? [{ path: entry.path.slice(start), entry, implied: false }] : [],
    )
  }
  const wanted = (path: string, isDirectory: boolean): boolean => {
    // An include pattern is an ignore pattern read the other way round.
    const isIncluded = include === undefined || include(path, isDirectory).excluded
    return isIncluded && exclude?.(path, isDirectory).excluded !== true
  }
  const below: Below[] = []
  const open: Below[] = []
  for (const entry of entries) {
    if (!isCopied(entry)) continue
    const path = entry.path.slice(start)
    while (open.length > 0 && !path.startsWith(`${open.at(-1)?.path}/`)) open.pop()
    const isDirectory = entry.type === 'directory'
    if (wanted(path, isDirectory)) {
      below.push(...open.splice(0), { path, entry, implied: false })
    } else if (isDirectory) {
      open.push({ path, entry, implied: true })
    }
  }
  return below
}

/** Sockets never are, nor what a layer would take for the mark of a deleted file (overlayfs: character device 0:0). */
function isCopied({ type, device }: SourceEntry): boolean {
  return type !== 'socket' && !(type === 'char' && device?.major === 0 && device.minor === 0)
}

/** The paths a source means and the names they are copied under. A source without wildcards is itself, present or not. */
async function expand(
  tree: SourceTree,
  source: string,
  action: CopyAction,
): Promise<{ path: string; name: string }[]> {
  const components = cleanPath(bytesOf(source)).split('/')
  const firstWild = components.findIndex((component) => hasGlob(component))
  if (firstWild === -1) {
    const path = components.join('/')
    return [{ path, name: baseOf(path) }]
  }
  if (!isGlob(source)) throw badPattern(source, action)
  const prefix = components.slice(0, firstWild).join('/')
  const start = await tree.find(prefix, true)
  if (start === undefined) throw await notFound(tree, prefix, action)
  // As in BuildKit (AllowEmptyWildcard), a pattern may match nothing.
  if (start.type !== 'directory') return []
  let matches = [start]
  for (const component of components.slice(firstWild)) {
    const pattern = textOf(component)
    const next: SourceEntry[] = []
    for (const directory of matches) {
      if (directory.type !== 'directory') continue
      for (const entry of await tree.list(directory)) {
        if (globMatch(pattern, textOf(baseOf(entry.path)))) next.push(entry)
      }
    }
    matches = next
  }
  return matches.map(({ path }) => ({ path, name: baseOf(path) }))
}

function matcherOf(patterns: readonly string[], action: CopyAction): IgnoreMatcher {
  try {
    return ignoreMatcher(patterns)
  } catch (cause) {
    throw badPattern(patterns.join(' '), action, cause)
  }
}

function badPattern(pattern: string, action: CopyAction, cause?: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_COPY_PATTERN',
    message: `${action.instruction} failed: syntax error in pattern ${JSON.stringify(pattern)}`,
    hint: 'write [[] for a literal bracket',
    cause,
  })
}

/** BuildKit says that the pivot is not found. */
function noPattern(source: string, { instruction }: CopyAction): SlipwayError {
  return new SlipwayError({
    code: 'ERR_COPY_NOT_FOUND',
    message: `${instruction} failed: ${JSON.stringify(`/${cleanPath(source)}`)}: with --parents it names nothing to copy`,
    hint: 'leave --parents out to copy all of the directory, or end the source in *',
  })
}

async function notFound(tree: SourceTree, path: string, action: CopyAction): Promise<SlipwayError> {
  const shown = `/${textOf(path)}`
  const hint = (await tree.whyMissing(path)) ?? (await nearName(tree, path))
  return new SlipwayError({
    code: 'ERR_COPY_NOT_FOUND',
    message: `${action.instruction} failed: ${JSON.stringify(shown)}: not found in the ${tree.description}`,
    ...(hint === undefined ? {} : { hint }),
    data: { path: shown },
  })
}

async function nearName(tree: SourceTree, path: string): Promise<string | undefined> {
  const parent = await tree.find(parentOf(path), true)
  if (parent === undefined || parent.type !== 'directory') return undefined
  const name = textOf(baseOf(path))
  // A link that leads nowhere is there under its very name.
  const names = (await tree.list(parent)).map((entry) => textOf(baseOf(entry.path))).filter((n) => n !== name)
  const near = nearest(name, names)
  return near === undefined
    ? undefined
    : `did you mean ${JSON.stringify(`/${textOf(joinPath(parent.path, bytesOf(near)))}`)}?`
}

function specialFile(entry: SourceEntry, tree: SourceTree, path: string, action: CopyAction): SlipwayError {
  const kind = entry.type === 'socket' ? 'a socket' : "overlayfs's mark of a deleted file"
  return new SlipwayError({
    code: 'ERR_COPY_SPECIAL_FILE',
    message: `${action.instruction} failed: ${JSON.stringify(`/${textOf(path)}`)} is ${kind}, which cannot be copied from the ${tree.description}`,
  })
}
