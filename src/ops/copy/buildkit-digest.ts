// The digest by which BuildKit knows files: of a file by its metadata and bytes, of a directory by its own and those of
// everything in it, of a pattern by what it matches.
import { createHash } from 'node:crypto'
import type { Selector } from '../../buildkit/vertex.ts'
import { bytesOf, textOf } from '../../core/byte-string.ts'
import { type Digest, digestOf, digestOfHex } from '../../core/digest.ts'
import { baseOf, cleanPath, joinPath } from '../../core/path.ts'
import { type IgnoreMatcher, ignoreMatcher } from '../../dockerfile/ignore-matcher.ts'
import { globMatch, hasGlob } from '../../dockerfile/path-glob.ts'
import type { Native } from '../../sys/native.ts'
import { hashFiles } from './hash-files.ts'
import type { SourceEntry, SourceTree } from './source-tree.ts'
import type { StatCache } from './stat-cache.ts'
import { tarsumHead } from './tarsum.ts'

export interface BuildkitDigestOptions {
  readonly native: Native
  readonly signal: AbortSignal
  /** Of the files of a local directory; not the one of their plain digests. */
  readonly cache?: StatCache | undefined
}

/** The digest of what `selectors` select of a tree; undefined when one names what is not there. */
export async function buildkitDigest(
  tree: SourceTree,
  selectors: readonly Selector[],
  options: BuildkitDigestOptions,
): Promise<Digest | undefined> {
  const digests: Digest[] = []
  for (const selector of selectors) {
    const isPlain = !selector.wildcard && selector.include.length === 0 && selector.exclude.length === 0
    const digest = isPlain
      ? await digestAt(tree, selector, options)
      : await digestOfMatches(tree, selector, options)
    if (digest === undefined) return undefined
    digests.push(digest)
  }
  return digestOf(digests.join('\0'))
}

async function digestAt(
  tree: SourceTree,
  { path, followLinks }: Selector,
  options: BuildkitDigestOptions,
): Promise<Digest | undefined> {
  const entry = await tree.find(cleanPath(bytesOf(path)), followLinks)
  return entry === undefined ? undefined : digestOfEntry(tree, entry, options)
}

async function digestOfEntry(
  tree: SourceTree,
  entry: SourceEntry,
  options: BuildkitDigestOptions,
): Promise<Digest> {
  const below = entry.type === 'directory' ? await tree.walk(entry) : []
  const entries = [entry, ...below]
  const digests = await fileDigests(tree, entries, options)
  const sums = new Map<string, ReturnType<typeof createHash>>()
  const done = (path: string, own: Digest): Digest => {
    const sum = sums.get(path)
    return sum === undefined ? own : digestOfHex(sum.digest('hex'))
  }
  for (const [index, { path, type }] of entries.entries()) {
    const own = digests[index]
    if (type === 'directory' && own !== undefined) {
      sums.set(path, createHash('sha256').update('\0').update(own))
    }
  }
  // From the end, so that a directory is complete when its parent takes it; children are therefore collected first.
  const children = new Map<string, SourceEntry[]>()
  for (const child of below) {
    const parent = child.path.slice(0, Math.max(0, child.path.lastIndexOf('/')))
    const known = children.get(parent)
    if (known === undefined) children.set(parent, [child])
    else known.push(child)
  }
  const own = new Map(entries.map((item, index) => [item.path, digests[index]]))
  for (const directory of [...entries].reverse()) {
    const sum = sums.get(directory.path)
    if (sum === undefined) continue
    for (const child of children.get(directory.path) ?? []) {
      const digest = own.get(child.path)
      if (digest !== undefined) sum.update(`\0${baseOf(child.path)}`, 'latin1').update(digest)
    }
    own.set(directory.path, done(directory.path, own.get(directory.path) ?? digestOf('')))
  }
  return own.get(entry.path) ?? digestOf('')
}

/** What each entry is by itself: a directory without what is in it. */
async function fileDigests(
  tree: SourceTree,
  entries: readonly SourceEntry[],
  { native, signal, cache }: BuildkitDigestOptions,
): Promise<readonly Digest[]> {
  const files = await hashFiles(entries, { native, signal, cache, headOf: tarsumHead })
  return entries.map((entry, index) => {
    const file = files[index]
    if (file !== undefined) return digestOfHex(file)
    // The root of a context is never sent, so nothing is known of it.
    if (tree.isLocal && entry.path === '') return digestOf('')
    return digestOfHex(createHash('sha256').update(tarsumHead(entry), 'latin1').digest('hex'))
  })
}

interface Match {
  /** As the pattern says it, which may lead through links. */
  readonly path: string
  readonly entry: SourceEntry
  /** Nothing of what it is in matched. */
  readonly isTop: boolean
}

async function digestOfMatches(
  tree: SourceTree,
  selector: Selector,
  options: BuildkitDigestOptions,
): Promise<Digest | undefined> {
  const { path, followLinks } = selector
  const { prefix, matches } = await matchesOf(tree, selector)
  if (matches.length === 0) return digestOf('')
  const own = await fileDigests(
    tree,
    matches.map(({ entry }) => entry),
    options,
  )
  const digests: Digest[] = []
  for (const [index, match] of matches.entries()) {
    const isFollowed = followLinks && match.isTop && match.entry.type === 'symlink'
    const target = isFollowed ? await tree.find(match.path, true) : undefined
    if (isFollowed && target === undefined) return undefined
    digests.push(
      target === undefined ? (own[index] ?? digestOf('')) : await digestOfEntry(tree, target, options),
    )
  }
  const [only] = digests
  if (
    digests.length === 1 &&
    only !== undefined &&
    baseOf(bytesOf(path)) === baseOf(`/${matches[0]?.path}`)
  ) {
    return only
  }
  const sum = createHash('sha256')
  for (const [index, match] of matches.entries()) {
    const rest = prefix === '' ? `/${match.path}` : match.path.slice(prefix.length)
    sum.update(rest === '' ? '\0' : rest.replaceAll('/', '\0'), 'latin1').update(digests[index] ?? '')
  }
  return digestOfHex(sum.digest('hex'))
}

async function matchesOf(
  tree: SourceTree,
  selector: Selector,
): Promise<{ readonly prefix: string; readonly matches: readonly Match[] }> {
  const pattern = cleanPath(bytesOf(selector.path))
  const components = pattern.split('/')
  const firstWild = selector.wildcard ? components.findIndex((component) => hasGlob(component)) : -1
  const prefix = firstWild === -1 ? pattern : components.slice(0, firstWild).join('/')
  const start = await tree.find(prefix, firstWild !== -1)
  if (start === undefined) return { prefix, matches: [] }
  const entries = [start, ...(start.type === 'directory' ? await tree.walk(start) : [])]
  const filter = filterOf(selector)
  const matches: Match[] = []
  /** Directories on the way that are only there because of what is in them. */
  let open: Match[] = []
  let inside: { readonly path: string } | undefined
  for (const entry of entries) {
    const path = joinPath(prefix, entry.path.slice(start.path === '' ? 0 : start.path.length + 1)).replace(
      /\/$/,
      '',
    )
    open = open.filter((match) => path.startsWith(`${match.path}/`))
    if (firstWild === -1) inside = { path: pattern }
    else if (inside === undefined || !path.startsWith(`${inside.path}/`)) {
      inside = isMatch(components, path) ? { path } : undefined
    }
    // The root of everything has no name, and is not looked at where a pattern is.
    if (inside === undefined || (path === '' && prefix === '')) continue
    const rest = inside.path === '' ? path : path.slice(inside.path.length + 1)
    const isDirectory = entry.type === 'directory'
    const match = { path, entry, isTop: open.length === 0 && !matches.some((known) => isAbove(known, path)) }
    if (filter(rest, isDirectory)) {
      matches.push(...open, match)
      open = []
    } else if (isDirectory) open.push(match)
  }
  return { prefix, matches }
}

function isAbove({ path, entry }: Match, below: string): boolean {
  return entry.type === 'directory' && below.startsWith(`${path}/`)
}

function isMatch(pattern: readonly string[], path: string): boolean {
  const components = path.split('/')
  return (
    components.length === pattern.length &&
    components.every((component, i) => globMatch(textOf(pattern[i] ?? ''), textOf(component)))
  )
}

function filterOf({ include, exclude }: Selector): (path: string, isDirectory: boolean) => boolean {
  const included: IgnoreMatcher | undefined = include.length === 0 ? undefined : ignoreMatcher(include)
  const excluded: IgnoreMatcher | undefined = exclude.length === 0 ? undefined : ignoreMatcher(exclude)
  return (path, isDirectory) =>
    (included === undefined || included(path, isDirectory).excluded) &&
    excluded?.(path, isDirectory).excluded !== true
}
