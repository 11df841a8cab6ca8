// What a cache is called, in Dockerfiles and on disk.
import { canonicalJson } from '../core/canonical-json.ts'
import { digestOf, hexOf } from '../core/digest.ts'

/** What makes a cache the one it is. */
export interface CacheIdentity {
  /** As the op has it: `<namespace>/<id>`. */
  readonly id: string
  /** What it began as, where the Dockerfile says so: another beginning is another cache, as in BuildKit. */
  readonly start?: CacheStart
}

/** Files of other content, or an empty directory of this mode and owner. */
export type CacheStart =
  | { readonly content: string }
  | { readonly mode: number; readonly uid?: number; readonly gid?: number }

/** The name of the cache's directory: 64 hex digits. Ids are what a Dockerfile says, and may be `../..`. */
export function cacheName({ id, start }: CacheIdentity): string {
  return hexOf(digestOf(canonicalJson({ cache: 1, id, ...(start === undefined ? {} : { start }) })))
}

/** The id as people write it: without the namespace where there is none, as it then begins with a slash of its own. */
export function shownId(id: string): string {
  return id.startsWith('/') ? id.slice(1) : id
}
