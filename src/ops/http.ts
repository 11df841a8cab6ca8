// The driver of files of the web: one file in a layer of its own. Fetching it is the fetcher's business.
import { bytesOf } from '../core/byte-string.ts'
import { digestOfJson } from '../core/canonical-json.ts'
import { invariant } from '../core/error.ts'
import type { HttpFetcher } from '../fetch/http.ts'
import type { OpOf } from '../graph/op.ts'
import type { Snapshotter } from '../snapshot/types.ts'
import type { OpDriver } from '../solve/types.ts'
import type { ContentStore } from '../store/types.ts'
import { applyFileOperations } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import { snapshotLayer } from './layers.ts'

export interface HttpDependencies {
  readonly native: Native
  readonly snapshotter: Pick<Snapshotter, 'prepare'>
  readonly store: Pick<ContentStore, 'path'>
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
      invariant(note.remote, 'an http op has no URL in its note')
      const fetched = await (await fetcher()).fetch({ url: note.remote.url, checksum }, digestOfJson(op), cx)
      const { digest, size, modified = 0 } = fetched
      await using active = await snapshotter.prepare([])
      const mtimeNs = BigInt(op.modified ?? modified) * 1_000_000_000n
      const path = bytesOf(filename)
      const source = { path: bytesOf(store.path(digest)), size }
      await applyFileOperations(
        { kind: 'directory', path: active.upper },
        [{ op: 'file', path, mode: 0o600, uid: 0, gid: 0, mtimeNs, source }],
        { native, signal: cx.signal },
      )
      return [snapshotLayer(await active.commit(), cx)]
    },
  }
}
