// What a member's name means inside a layer: a place below the root, a whiteout or an opaque mark
// (OCI image-spec, layer.md). Paths are byte strings.
import { quoted } from '../core/byte-string.ts'
import { cleanPath, joinPath } from '../core/path.ts'
import { tarError } from './tar-entry.ts'

export const whiteoutPrefix = '.wh.'
export const opaqueName = '.wh..wh..opq'

export type Meaning =
  | { readonly kind: 'entry'; readonly path: string }
  /** Hides `path` of the layers below. */
  | { readonly kind: 'whiteout'; readonly path: string }
  /** Hides everything the layers below have in the directory `path`. */
  | { readonly kind: 'opaque'; readonly path: string }
  /** Bookkeeping of a storage driver (aufs), not content. */
  | { readonly kind: 'ignored' }

/** What the member called `name` says about the layer. Throws ERR_TAR_INVALID for a whiteout of `.`, `..` or nothing, and for entries below a whiteout. */
export function meaningOf(name: string): Meaning {
  const path = cleanPath(name)
  if (!path.includes(whiteoutPrefix)) return { kind: 'entry', path }
  const parts = path.split('/')
  const last = parts.pop() ?? ''
  if (parts.some((part) => part.startsWith('.wh..wh.'))) return { kind: 'ignored' }
  if (parts.some((part) => part.startsWith(whiteoutPrefix))) {
    throw tarError(`entry ${quoted(name)} lies below a whiteout`)
  }
  if (!last.startsWith(whiteoutPrefix)) return { kind: 'entry', path }
  const parent = parts.join('/')
  if (last === opaqueName) return { kind: 'opaque', path: parent }
  if (last.startsWith('.wh..wh.')) return { kind: 'ignored' }
  const hidden = last.slice(whiteoutPrefix.length)
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw tarError(`whiteout ${quoted(name)} names no file`)
  }
  return { kind: 'whiteout', path: joinPath(parent, hidden) }
}
