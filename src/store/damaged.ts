// What happens to a blob whose bytes are not what its name says: out of the way, so that it can be had again.
import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, stat } from 'node:fs/promises'
import type { Descriptor } from '../core/descriptor.ts'
import { type Digest, digestOfHex, hexOf } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import type { LayoutPaths } from './layout-paths.ts'

/** The digest of a file's bytes. Links are not followed, and pipes not waited for: no blob is one. Throws ERR_STORE_DAMAGED. */
export async function digestOfFile(path: string, signal?: AbortSignal): Promise<Digest> {
  const hash = createHash('sha256')
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) {
      throw new SlipwayError({
        code: 'ERR_STORE_DAMAGED',
        message: `read ${path}: it is no regular file`,
        data: { path },
      })
    }
    for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) {
      signal?.throwIfAborted()
      hash.update(chunk as Buffer)
    }
  } finally {
    await file.close()
  }
  return digestOfHex(hash.digest('hex'))
}

/** The size of a blob whose bytes match its name; undefined when it is gone, damaged or cannot be read. */
export async function soundSize(paths: LayoutPaths, digest: Digest): Promise<number | undefined> {
  const path = paths.blob(digest)
  try {
    return (await digestOfFile(path)) === digest ? (await stat(path)).size : undefined
  } catch {
    // Why it cannot be read is told by who looks at all blobs.
    return undefined
  }
}

/**
 * Judges a blob that failed verification and returns the failure to report. A file that does not have the digest it
 * is named by is moved to `damaged/`; a descriptor that lies about the size of sound bytes costs the blob nothing.
 */
export async function quarantine(
  paths: LayoutPaths,
  descriptor: Descriptor,
  failure: SlipwayError,
): Promise<SlipwayError> {
  const path = paths.blob(descriptor.digest)
  const found = await digestOfFile(path).catch(() => undefined)
  if (found === descriptor.digest) return failure
  const aside = `${paths.damaged}/${hexOf(descriptor.digest)}-${randomBytes(4).toString('hex')}`
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  )
  return new SlipwayError({
    code: 'ERR_DIGEST_MISMATCH',
    message: failure.message,
    hint: moved
      ? `the damaged file is now ${aside}; pull or build the image again to replace it`
      : 'another process may have moved it away; pull or build the image again to replace it',
    data: { ...failure.data, path, ...(moved ? { movedTo: aside } : {}) },
    cause: failure,
  })
}
