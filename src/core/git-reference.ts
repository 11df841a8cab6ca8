// References to git repositories as ADD and build contexts take them: URLs and `user@host:path`, with a ref and a
// directory in the fragment (`#ref:dir`) or with everything in the query (`?tag=v1&subdir=dir`). Nothing is fetched.
import { parseBoolean } from './go-values.ts'

/** A git repository and what to take of it. */
export interface GitReference {
  /** What git is to be given: the URL without query and fragment. */
  readonly remote: string
  /** The repository's name: `bar` of `https://host/foo/bar.git`. */
  readonly shortName: string
  /** Branch, tag or commit; absent: what the remote's HEAD names. */
  readonly ref?: string
  /** What the commit's id must begin with. */
  readonly checksum?: string
  /** Directory inside the repository. */
  readonly subdir?: string
  readonly keepGitDir?: boolean
  /** Whether submodules are fetched; absent: yes. */
  readonly submodules?: boolean
  /** The files' times; absent: that of the checkout. */
  readonly mtime?: 'checkout' | 'commit'
  /** Whether the commit is fetched by its id, without asking what the ref names. */
  readonly fetchByCommit: boolean
  /** Whether the transport has no encryption (`git:`, `http:`). */
  readonly isUnencrypted: boolean
  /** `github.com/…`, which could be a local path: a repository only where a build context is named. */
  readonly isAmbiguous: boolean
}

/** What a text is: no git repository at all, one, or one with a mistake, said in BuildKit's words. */
export type GitReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'git'; readonly reference: GitReference }
  | { readonly kind: 'wrong'; readonly message: string }

const none: GitReading = { kind: 'none' }

/** Reads `text` as a reference to a git repository. An HTTP(S) URL is one only when its path ends in `.git`. */
export function readGitReference(text: string): GitReading {
  if (text.startsWith('./') || text.startsWith('../')) return none
  const isAmbiguous = text.startsWith('github.com/')
  const parts = isAmbiguous ? urlParts(`https://${text}`) : splitRemote(text)
  if (parts === undefined) return none
  const { scheme, remote, path } = parts
  if (!isAmbiguous && scheme.startsWith('http') && !path.endsWith('.git')) return none
  const [ref = '', ...directory] = parts.fragment.split(':')
  const subdir = cleanDirectory(directory.join(':'))
  const options = readOptions(parts.query, { ref, subdir })
  if (typeof options === 'string') return { kind: 'wrong', message: options }
  const mistake = mistakeOf(options, remote)
  if (mistake !== undefined) return { kind: 'wrong', message: mistake }
  const shownRemote = isAmbiguous ? remote.slice('https://'.length) : remote
  return {
    kind: 'git',
    reference: {
      remote: shownRemote,
      shortName: shownRemote.slice(shownRemote.lastIndexOf('/') + 1).replace(/\.git$/, ''),
      ...options,
      isUnencrypted: !isAmbiguous && (scheme === 'http' || scheme === 'git'),
      isAmbiguous,
    },
  }
}

/** Whether `text` is meant as a git repository, even if something is wrong with it. */
export function isGitUrl(text: string): boolean {
  const read = readGitReference(text)
  return read.kind === 'wrong' || (read.kind === 'git' && !read.reference.isAmbiguous)
}

/** An HTTP(S) URL that is not a git repository. */
export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && !isGitUrl(text)
}

interface Remote {
  readonly scheme: string
  readonly remote: string
  /** Percent-decoded. */
  readonly path: string
  readonly query: readonly (readonly [string, string])[]
  /** Percent-decoded in URLs, as it is behind `user@host:path`. */
  readonly fragment: string
}

function splitRemote(text: string): Remote | undefined {
  const scheme = /^([a-zA-Z0-9]+):\/\//.exec(text)?.[1]?.toLowerCase()
  if (scheme !== undefined) {
    return ['http', 'https', 'ssh', 'git'].includes(scheme) ? urlParts(text) : undefined
  }
  const [whole, user, host, path = '', query = '', fragment = ''] =
    /^([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):([^\n]*?)(?:\?([^\n]*?))?(?:#([^\n]*))?$/.exec(text) ?? []
  if (whole === undefined) return undefined
  const pairs = readQuery(query)
  if (pairs === undefined) return undefined
  return { scheme: 'ssh', remote: `${user}@${host}:${path}`, path, query: pairs, fragment }
}

/** The parts of a URL as Go's net/url sees them; undefined where it sees none. */
function urlParts(text: string): Remote | undefined {
  if (/[\x00-\x1f\x7f]/.test(text)) return undefined
  const hash = text.indexOf('#')
  const fragment = decode(hash === -1 ? '' : text.slice(hash + 1))
  const [, scheme = '', authority = '', rawPath = '', query = ''] =
    /^([a-zA-Z][a-zA-Z0-9]*):\/\/([^/?]*)([^?]*)\??(.*)$/.exec(hash === -1 ? text : text.slice(0, hash)) ?? []
  const path = decode(rawPath)
  if (scheme === '' || fragment === undefined || path === undefined || !isAuthority(authority))
    return undefined
  return {
    scheme: scheme.toLowerCase(),
    remote: `${scheme.toLowerCase()}://${authority}${encodePath(rawPath)}`,
    path,
    // What cannot be decoded is as if it were not there.
    query: query.split('&').flatMap((pair) => readQuery(pair) ?? []),
    fragment,
  }
}

/** `[user[:password]@]host[:port]`. */
function isAuthority(text: string): boolean {
  const at = text.lastIndexOf('@')
  const user = text.slice(0, Math.max(0, at))
  const host = text.slice(at + 1)
  if (at !== -1 && (!/^[A-Za-z0-9._:~!$&'()*+,;=%@-]*$/.test(user) || decode(user) === undefined))
    return false
  if (host.startsWith('[')) return /^\[[^\]]*\](?::\d*)?$/.test(host)
  const colon = host.lastIndexOf(':')
  if (colon !== -1 && !/^\d*$/.test(host.slice(colon + 1))) return false
  const name = colon === -1 ? host : host.slice(0, colon)
  return !/[\s"<>\\^`{|}[\]]/.test(name) && canDecodeHost(name)
}

/** In host names only bytes beyond ASCII may be percent-encoded. */
function canDecodeHost(text: string): boolean {
  return [...text.matchAll(/%(.{0,2})/gs)].every(([, hex = '']) => /^[89a-fA-F][0-9a-fA-F]$/.test(hex))
}

function encodePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/%[\]]/gu, (character) => encodeURIComponent(character))
}

function decode(text: string): string | undefined {
  if (!text.includes('%')) return text
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined
  const bytes = Buffer.from(
    text
      .replace(/[^%\x00-\x7f]+/g, (part) => encodeURIComponent(part))
      .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
  return bytes.toString('utf8')
}

/** The pairs of a query, undefined when one cannot be decoded. */
function readQuery(query: string): readonly (readonly [string, string])[] | undefined {
  const pairs: [string, string][] = []
  for (const part of query.split('&')) {
    if (part === '') continue
    if (part.includes(';')) return undefined
    const equals = part.indexOf('=')
    const key = decode((equals === -1 ? part : part.slice(0, equals)).replaceAll('+', ' '))
    const value = decode((equals === -1 ? '' : part.slice(equals + 1)).replaceAll('+', ' '))
    if (key === undefined || value === undefined) return undefined
    pairs.push([key, value])
  }
  return pairs
}

function cleanDirectory(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

type Options = Omit<GitReference, 'remote' | 'shortName' | 'isUnencrypted' | 'isAmbiguous'>

/** What query and fragment say together, or why they contradict each other. */
function readOptions(
  query: Remote['query'],
  fragment: { readonly ref: string; readonly subdir: string },
): Options | string {
  let { ref, subdir } = fragment
  let checksum = ''
  let mtime: GitReference['mtime']
  const named: { tag?: string; branch?: string } = {}
  const flags: { keepGitDir?: boolean; submodules?: boolean; fetchByCommit?: boolean } = {}
  for (const [index, [key, value]] of query.entries()) {
    if (query.some(([other], at) => other === key && at !== index))
      return `query "${key}" has multiple values`
    const flag = Object.hasOwn(switches, key) ? switches[key] : undefined
    if (flag !== undefined) {
      const is = value === '' ? true : parseBoolean(value)
      if (is === undefined) return `invalid ${key} value: ${JSON.stringify(value)}`
      flags[flag] = is
      continue
    }
    if (value === '') return `query ${JSON.stringify(key)} has no value`
    switch (key) {
      case 'ref':
        if (ref !== '' && ref !== value) return conflict('ref', ref, value)
        ref = value
        break
      case 'tag':
      case 'branch':
        named[key] = value
        break
      case 'subdir':
        if (subdir !== '' && subdir !== value) return conflict('subdir', subdir, value)
        subdir = value
        break
      case 'checksum':
      case 'commit':
        checksum = value
        break
      case 'mtime':
        if (value !== 'checkout' && value !== 'commit') {
          return `invalid mtime value: ${JSON.stringify(value)} (must be "checkout" or "commit")`
        }
        mtime = value
        break
      default:
        return `unexpected query ${JSON.stringify(key)}`
    }
  }
  for (const [kind, prefix] of [['tag', 'refs/tags/'] as const, ['branch', 'refs/heads/'] as const]) {
    const name = named[kind]
    if (name === undefined) continue
    if (kind === 'branch' && named.tag !== undefined) return 'branch conflicts with tag'
    const full = name.startsWith(prefix) ? name : `${prefix}${name}`
    if (ref !== '' && ref !== full) return conflict('ref', ref, full)
    ref = full
  }
  const { fetchByCommit = false, ...others } = flags
  return {
    ...(ref === '' ? {} : { ref }),
    ...(checksum === '' ? {} : { checksum }),
    ...(subdir === '' ? {} : { subdir }),
    ...others,
    ...(mtime === undefined ? {} : { mtime }),
    fetchByCommit,
  }
}

const switches: Readonly<Record<string, 'keepGitDir' | 'submodules' | 'fetchByCommit'>> = {
  'keep-git-dir': 'keepGitDir',
  submodules: 'submodules',
  'fetch-by-commit': 'fetchByCommit',
}

function conflict(what: string, first: string, second: string): string {
  return `${what} conflicts: ${JSON.stringify(first)} vs ${JSON.stringify(second)}`
}

/** What BuildKit finds out only when it fetches. */
function mistakeOf({ ref = '', checksum, fetchByCommit }: Options, remote: string): string | undefined {
  // To git such a word is an option, whatever stands where.
  if (ref.startsWith('-')) return `invalid git ref ${JSON.stringify(ref)}: it must not begin with -`
  if (/^(?:[a-z]+:\/\/(?:[^/]*@)?)?-/.test(remote))
    return `invalid git remote ${JSON.stringify(remote)}: it must not begin with -`
  if (checksum !== undefined && !isCommitPrefix(checksum)) {
    return `invalid checksum ${checksum} for Git URL, expected hex commit hash`
  }
  if (fetchByCommit && !isCommit(ref) && !isCommit(checksum ?? '')) {
    return checksum === undefined
      ? 'fetch-by-commit requires a checksum or a commit SHA ref'
      : `fetch-by-commit requires a full commit SHA checksum, got ${JSON.stringify(checksum)}`
  }
  return undefined
}

function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text)
}

/** Whether `text` can be the beginning of a commit's id. */
export function isCommitPrefix(text: string): boolean {
  return /^[a-fA-F0-9]+$/.test(text)
}
