// The driver of files of the web: one file, or the files of an archive, in a layer of its own. Fetching it is the fetcher's business.
import { realpath } from 'node:fs/promises'
import { bytesOf } from '../core/byte-string.ts'
import { digestOfJson } from '../core/canonical-json.ts'
import { parseDigest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import type { FetchedFile, HttpFetcher } from '../fetch/http.ts'
import type { OpOf } from '../graph/op.ts'
import type { Snapshotter } from '../snapshot/types.ts'
import type { OpDriver } from '../solve/types.ts'
import type { ContentStore } from '../store/types.ts'
import { applyFileOperations } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import type { SourceEntry } from './copy/source-tree.ts'
import { targetTree } from './copy/target-tree.ts'
import { isArchive, unpackArchive } from './copy/unpack-archive.ts'
import { snapshotLayer } from './layers.ts'
import { nanoseconds } from './nanoseconds.ts'

export interface HttpDependencies {
  readonly native: Native
  readonly snapshotter: Pick<Snapshotter, 'prepare'>
  readonly store: Pick<ContentStore, 'path' | 'sizeOf'>
  readonly fetcher: () => Promise<Pick<HttpFetcher, 'fetch'>>
}

/** The driver of http ops. Throws ERR_HTTP_*, and ERR_DIGEST_MISMATCH when the URL has another content. */
export function httpDriver({
  native,
  snapshotter,
  store,
  fetcher,
}: HttpDependencies): OpDriver<OpOf<'http'>> {
  return {
    async run(op, _inputs, note, cx) {
      const { checksum, filename } = op
      const {
        digest,
        size,
        modified = 0,
      } = note.remote === undefined
        ? await stored(store, checksum)
        : await (await fetcher()).fetch({ url: note.remote.url, checksum }, digestOfJson(op), cx)
      await using active = await snapshotter.prepare([])
      const mtimeNs = BigInt(op.modified ?? modified) * 1_000_000_000n
      // Whoever opens it follows no links on the way.
      const hostPath = bytesOf(await realpath(store.path(digest)))
      const path = bytesOf(filename)
      const source = { path: hostPath, size }
      const file = { path, mode: 0o600, uid: 0, gid: 0, mtimeNs }
      const entry: SourceEntry = { ...file, type: 'file', size, hostPath }
      const style = { instruction: 'context', parentMode: 0o755, nowNs: nanoseconds(cx.now()) }
      const options = { style, native, signal: cx.signal }
      const { lower, upper, work } = active
      if (op.unpack === true && (await isArchive(entry, options))) {
        // Through an overlay, in which what the archive holds can be no mark of a deleted file.
        const target = { kind: 'overlay', lower, upper, work } as const
        await applyFileOperations(target, unpackArchive(targetTree(undefined), entry, '/', options), {
          native,
          signal: cx.signal,
        })
      } else {
        await applyFileOperations({ kind: 'directory', path: upper }, [{ op: 'file', ...file, source }], {
          native,
          signal: cx.signal,
        })
      }
      return [snapshotLayer(await active.commit(), cx)]
    },
  }
}

/** A file that nobody can be asked for again. */
async function stored(store: Pick<ContentStore, 'sizeOf'>, checksum: string): Promise<FetchedFile> {
  const digest = parseDigest(checksum)
  const size = await store.sizeOf(digest)
  if (size !== undefined) return { digest, size }
  throw new SlipwayError({
    code: 'ERR_BLOB_MISSING',
    message: `read build context ${digest}: it is not in the local store any more`,
    hint: 'run the build again',
  })
}
