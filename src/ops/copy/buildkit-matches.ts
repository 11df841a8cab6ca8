// BuildKit's digests of what a COPY or a mount reads, patterns and filters included. Versions before 0.9 put what a
// pattern matches together in another way, so there may be two.
import { createHash } from 'node:crypto'
import type { Selector } from '../../buildkit/vertex.ts'
import { bytesOf, textOf } from '../../core/byte-string.ts'
import { type Digest, digestOf, digestOfHex } from '../../core/digest.ts'
import { baseOf, cleanPath, joinPath } from '../../core/path.ts'
import { type IgnoreMatcher, ignoreMatcher } from '../../dockerfile/ignore-matcher.ts'
import { globMatch, hasGlob } from '../../dockerfile/path-glob.ts'
import { type BuildkitDigestOptions, digestAt, digestOfEntry, ownDigests } from './buildkit-digest.ts'
import type { SourceEntry, SourceTree } from './source-tree.ts'

/** The digests of what `selectors` select of a tree, the newest version's first; none when one names what is not there. */
export async function buildkitDigests(
  tree: SourceTree,
  selectors: readonly Selector[],
  options: BuildkitDigestOptions,
): Promise<readonly Digest[]> {
  const newest: Digest[] = []
  const oldest: Digest[] = []
  for (const selector of selectors) {
    const isFiltered = selector.include.length > 0 || selector.exclude.length > 0
    if (!selector.wildcard && !isFiltered) {
      const digest = await digestAt(tree, selector, options)
      if (digest === undefined) return []
      newest.push(digest)
      oldest.push(digest)
      continue
    }
    const found = await matchesOf(tree, selector)
    const digest = await digestOfMatches(tree, selector, found, options)
    if (digest === undefined) return []
    newest.push(digest)
    if (!isFiltered) oldest.push((await digestOfTops(tree, selector, found.matches, options)) ?? digest)
  }
  const all = [newest, ...(oldest.length === newest.length ? [oldest] : [])]
  return [...new Set(all.map((digests) => digestOf(digests.join('\0'))))]
}

interface Match {
  /** As the pattern says it, which may lead through links. */
  readonly path: string
  readonly entry: SourceEntry
  /** Nothing that it is in was selected or looked into. */
  readonly isTop: boolean
}

interface Matches {
  /** The part of the pattern without wildcards. */
  readonly prefix: string
  readonly matches: readonly Match[]
}

async function digestOfMatches(
  tree: SourceTree,
  { path, followLinks }: Selector,
  { prefix, matches }: Matches,
  options: BuildkitDigestOptions,
): Promise<Digest | undefined> {
  const [first] = matches
  if (first === undefined) return digestOf('')
  const own = await ownDigests(
    tree,
    matches.map(({ entry }) => entry),
    options,
  )
  const sum = createHash('sha256')
  for (const [index, match] of matches.entries()) {
    const isFollowed = followLinks && match.isTop && match.entry.type === 'symlink'
    const digest = isFollowed
      ? await digestAt(tree, { path: textOf(match.path), followLinks }, options)
      : own[index]
    if (digest === undefined) return undefined
    if (matches.length === 1 && baseOf(bytesOf(path)) === baseOf(first.path)) return digest
    const rest = prefix === '' ? `/${match.path}` : match.path.slice(prefix.length)
    sum.update(`${rest === '' ? '\0' : rest.replaceAll('/', '\0')}${digest}`, 'latin1')
  }
  return digestOfHex(sum.digest('hex'))
}

/** Before 0.9: what the pattern itself matches, by name, each with all that is in it. */
async function digestOfTops(
  tree: SourceTree,
  { path, followLinks }: Selector,
  matches: readonly Match[],
  options: BuildkitDigestOptions,
): Promise<Digest | undefined> {
  const parts: string[] = []
  const tops = matches.filter(({ isTop }) => isTop)
  for (const { path: found, entry } of tops) {
    const isFollowed = followLinks && entry.type === 'symlink'
    const digest = isFollowed
      ? await digestAt(tree, { path: textOf(found), followLinks }, options)
      : await digestOfEntry(tree, entry, options)
    if (digest === undefined) return undefined
    if (tops.length === 1 && baseOf(bytesOf(path)) === baseOf(found)) return digest
    parts.push(`${baseOf(found)}${digest}`)
  }
  return digestOfHex(createHash('sha256').update(parts.join('\0'), 'latin1').digest('hex'))
}

async function matchesOf(tree: SourceTree, selector: Selector): Promise<Matches> {
  const pattern = cleanPath(bytesOf(selector.path))
  const components = pattern.split('/')
  const firstWild = selector.wildcard ? components.findIndex((component) => hasGlob(component)) : -1
  const prefix = firstWild === -1 ? pattern : components.slice(0, firstWild).join('/')
  const start = await tree.find(prefix, firstWild !== -1)
  if (start === undefined) return { prefix, matches: [] }
  const filter = filterOf(selector)
  const matches: Match[] = []
  /** Directories on the way that are only selected if something in them is. */
  let open: Match[] = []
  /** What the pattern matched last, and below it the outermost directory that was looked into. */
  let inside: string | undefined = firstWild === -1 ? pattern : undefined
  let top: string | undefined
  const skipped = start.path === '' ? 0 : start.path.length + 1
  for (const entry of [start, ...(start.type === 'directory' ? await tree.walk(start) : [])]) {
    const path = joinPath(prefix, entry.path.slice(skipped)).replace(/\/$/, '')
    open = open.filter((match) => isBelow(path, match.path))
    if (firstWild !== -1 && (inside === undefined || !isBelow(path, inside))) {
      inside = isMatch(components, path) ? path : undefined
    }
    // The root of everything has no name, and is not looked at where a pattern is.
    if (inside === undefined || path === '') continue
    const isDirectory = entry.type === 'directory'
    const match: Match = { path, entry, isTop: top === undefined || !isBelow(path, top) }
    if (match.isTop) top = isDirectory ? path : undefined
    if (filter(inside === '' ? path : path.slice(inside.length + 1), isDirectory)) {
      matches.push(...open, match)
      open = []
    } else if (isDirectory) open.push(match)
  }
  return { prefix, matches }
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`)
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
