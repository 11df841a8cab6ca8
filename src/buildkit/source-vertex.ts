// Images, repositories and files of the web under the names that BuildKit's sources give them.
import { type Digest, digestOf } from '../core/digest.ts'
import type { Platform } from '../core/platform.ts'
import type { OpNote, OpOf } from '../graph/op.ts'
import { filled, goJson } from './go-json.ts'
import type { Vertex } from './vertex.ts'

/** An image is known by what its name stands for, an index or a manifest, and by its layers: a retagged one with the same layers is the same. */
export function imageVertex(op: OpOf<'image'>, note: OpNote, diffIds: readonly Digest[]): Vertex {
  const documents = note.index === undefined ? [op.manifest] : [note.index, op.manifest]
  const names = documents.map((digest) => documentKey(digest, op.platform))
  if (diffIds.length > 0) names.push(chainId(diffIds))
  return { digests: names.map(sourceDigest), inputs: [] }
}

function documentKey(digest: Digest, { os, architecture, variant }: Platform): Digest {
  const value = { Digest: digest, OS: os, Arch: architecture, ...filled({ Variant: variant ?? '' }) }
  return digestOf(goJson(value))
}

/** The identity of stacked layers (image-spec, config.md "Layer ChainID"). */
function chainId(diffIds: readonly Digest[]): Digest {
  return diffIds.reduce((below, diffId) => digestOf(`${below} ${diffId}`))
}

/** The files of a commit; undefined for one whose `.git` stays: BuildKit's name for that has the ref it was found by. */
export function gitVertex(op: OpOf<'git'>): Vertex | undefined {
  if (op.gitDir !== undefined) return undefined
  const key = [
    op.commit,
    op.subdir === '' ? '' : `:${op.subdir}`,
    op.submodules ? '' : '(skip-submodules)',
    op.mtime === 'checkout' ? '' : `(mtime=${op.mtime})`,
  ]
  return { digests: [sourceDigest(key.join(''))], inputs: [] }
}

/** A file of the web; undefined for one that is unpacked, which BuildKit has no source for. */
export function httpVertex(op: OpOf<'http'>): Vertex | undefined {
  if (op.unpack) return undefined
  const modified = op.modified === undefined ? '' : new Date(op.modified * 1000).toUTCString()
  const key = digestOf(
    goJson({
      Filename: op.filename,
      Perm: 0,
      UID: 0,
      GID: 0,
      Checksum: op.checksum,
      ...filled({ LastModTime: modified }),
    }),
  )
  return { digests: [sourceDigest(key)], inputs: [] }
}

function sourceDigest(key: string): Digest {
  return digestOf(`buildkit.source.v0:${key}`)
}
