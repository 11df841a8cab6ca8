// An op as BuildKit's solver sees it: the digests it is known by and what decides whether an input is the same.
import { type Digest, digestOf } from '../core/digest.ts'
import type { OpRef } from '../graph/op.ts'

/** What BuildKit calls a vertex with its CacheMap. */
export interface Vertex {
  /** Those that different versions of BuildKit, or different ways to name the same thing, give it; the first is the newest version's. */
  readonly digests: readonly Digest[]
  readonly inputs: readonly VertexInput[]
}

export interface VertexInput {
  readonly from:
    | { readonly kind: 'op'; readonly ref: OpRef; readonly index: number }
    /** Something BuildKit has a vertex of its own for, and slipway a part of the op. */
    | { readonly kind: 'vertex'; readonly vertex: Vertex }
  /** Digests of the paths that are read, one for each way to name them; '' where none are named. */
  readonly selectors: readonly string[]
  /** What is read of the input, when the same content is as good as the same definition. */
  readonly content?: readonly Selector[]
}

/** Files whose content counts: a path in the file system of an input, absolute and clean. */
export interface Selector {
  readonly path: string
  readonly wildcard: boolean
  readonly followLinks: boolean
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** What a record of a vertex is called: its digest with the number of its only output. */
export function vertexRecord(digest: Digest): Digest {
  return digestOf(`${digest}@0`)
}

/** What the record of a content is called. */
export function contentRecord(digest: Digest): Digest {
  return digestOf(`${digest}@-1`)
}
