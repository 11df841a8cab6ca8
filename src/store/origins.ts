// Which repositories are known to hold a blob. A hint that saves uploads (cross-repository mount), so it is
// neither locked nor durable: a lost line costs one upload.
import { readFile } from 'node:fs/promises'
import type { Digest } from '../core/digest.ts'
import { errnoOf } from '../core/error.ts'
import type { Native } from '../sys/native.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { withLock } from './locks.ts'
import { writeUnsynced } from './replace-file.ts'
import { storageFailure } from './storage-failure.ts'

const maxOrigins = 16

/** The repositories (`registry/path`), most recent first. */
export async function readOrigins(paths: LayoutPaths, digest: Digest): Promise<readonly string[]> {
  try {
    const text = await readFile(paths.origin(digest), 'utf8')
    return text.split('\n').filter((line) => /^[^\s/]+\/[^\s]+$/.test(line))
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw storageFailure('read', paths.origin(digest), thrown)
  }
}

/** Postcondition: `repository` is the first of the blob's origins. */
export async function addOrigin(
  paths: LayoutPaths,
  native: Native,
  { digest, repository }: { readonly digest: Digest; readonly repository: string },
): Promise<void> {
  const known = await readOrigins(paths, digest)
  if (known[0] === repository) return
  const lines = [repository, ...known.filter((line) => line !== repository)].slice(0, maxOrigins)
  const path = paths.origin(digest)
  try {
    await withLock(native, { path: paths.ingestLock, shared: true }, () =>
      writeUnsynced(path, `${lines.join('\n')}\n`, paths.ingest),
    )
  } catch (thrown) {
    throw storageFailure('write', path, thrown)
  }
}
