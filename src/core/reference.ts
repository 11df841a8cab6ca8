// Image references: the grammar of distribution's `reference` package, plus docker's default names.
import { type Digest, isDigest, parseDigest } from './digest.ts'
import { SlipwayError } from './error.ts'

/** A fully qualified image name. At least one of `tag` and `digest` is set; made only by `parseReference`. */
export interface ImageRef {
  /** `host[:port]`, for example `docker.io` or `127.0.0.1:5000`. */
  readonly registry: string
  /** Path below the registry, for example `library/debian`. */
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[\w][\w.-]{0,127}$/
const hostPattern =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/

/** The reference a person typed, with docker's defaults filled in. Throws ERR_REFERENCE_INVALID. */
export function parseReference(text: string): ImageRef {
  const fail = (why: string, hint?: string): never => {
    throw new SlipwayError({
      code: 'ERR_REFERENCE_INVALID',
      message: `invalid image reference ${JSON.stringify(withoutPassword(text).slice(0, 300))}: ${why}`,
      ...(hint === undefined ? {} : { hint }),
    })
  }
  let rest = text
  let digest: Digest | undefined
  const at = rest.indexOf('@')
  if (at !== -1) {
    const written = rest.slice(at + 1)
    if (!isDigest(written)) fail('the part behind @ is not a sha256 digest')
    digest = parseDigest(written)
    rest = rest.slice(0, at)
  }
  let tag: string | undefined
  const colon = rest.lastIndexOf(':')
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1)
    rest = rest.slice(0, colon)
    if (!tagPattern.test(tag)) fail(`invalid tag ${JSON.stringify(tag)}`)
  }
  if (rest === '') fail('the name is empty', 'name an image or a stage')
  if (rest.includes('://'))
    fail('it must not have a scheme', `leave out ${/^[^/]*:\/\//.exec(rest)?.[0] ?? 'it'}`)
  let registry = 'docker.io'
  let repository = rest
  const slash = rest.indexOf('/')
  const first = slash === -1 ? '' : rest.slice(0, slash)
  if (slash !== -1 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first)) {
    registry = first === 'index.docker.io' ? 'docker.io' : first
    repository = rest.slice(slash + 1)
    if (!hostPattern.test(registry)) fail(`invalid registry host ${JSON.stringify(registry)}`)
  }
  if (registry === 'docker.io' && !repository.includes('/')) repository = `library/${repository}`
  if (repository !== repository.toLowerCase()) {
    fail(
      'the repository name must be lowercase',
      `write it as ${withoutPassword(text).replace(rest, rest.toLowerCase())}`,
    )
  }
  if (repository.length > 255) fail('the repository name is longer than 255 characters')
  for (const part of repository.split('/')) {
    if (!component.test(part)) fail(`invalid name component ${JSON.stringify(part)}`, hintFor(part))
  }
  if (tag === undefined && digest === undefined) tag = 'latest'
  return {
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** What is probably wrong with a component of a name. */
function hintFor(part: string): string {
  const odd = new Set(part.match(/[^\x20-\x7e]/gu))
  if (odd.size > 0) return `leave out ${[...odd].slice(0, 5).map(shownCharacter).join(' ')}`
  if (part.includes(':')) return 'a name has one tag, behind one colon: name:tag'
  return 'letters and digits, with ., _, __ or - between them'
}

/** A character, by its number when it does not show. */
function shownCharacter(character: string): string {
  if (/[\p{L}\p{N}\p{P}\p{S}]/u.test(character)) return character
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

/** `text` as it may be shown when it was meant as `user:password@host/…`. */
function withoutPassword(text: string): string {
  return text.replace(/^[^/@]*:[^@]*@(?!sha256:)/, 'xxxxx@')
}

/** The full spelling: `docker.io/library/debian:12`. */
export function formatReference(ref: ImageRef): string {
  const digest = ref.digest === undefined ? '' : `@${ref.digest}`
  const tag = ref.tag === undefined ? '' : `:${ref.tag}`
  return `${ref.registry}/${ref.repository}${tag}${digest}`
}

/** The spelling docker shows people: `debian:12`, `user/app:1`, `ghcr.io/x/y:1`. */
export function familiarReference(ref: ImageRef): string {
  const full = formatReference(ref)
  if (ref.registry !== 'docker.io') return full
  const short = full.slice('docker.io/'.length)
  return short.startsWith('library/') ? short.slice('library/'.length) : short
}
