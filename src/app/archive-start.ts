// Whether something begins as an archive: what decides if a URL or standard input is a build context or only a Dockerfile.
import { open } from 'node:fs/promises'
import { sniffCompression } from '../compression/format.ts'
import { SlipwayError } from '../core/error.ts'
import { decodeHeader } from '../layer/tar-decode.ts'
import { blockSize } from '../layer/tar-entry.ts'

/** As much as BuildKit looks at. */
export const sniffedBytes = 1024

/** Whether the file is a tar archive or compressed. */
export async function beginsAsArchive(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(sniffedBytes), 0, sniffedBytes, 0)
    return isArchiveStart(buffer.subarray(0, bytesRead))
  } finally {
    await file.close()
  }
}

/**
 * Whether these first bytes are those of a tar archive or of something compressed. Differs: BuildKit does not know zstd here,
 * nor archives that begin with an extended header.
 */
export function isArchiveStart(start: Buffer): boolean {
  if (sniffCompression(start) !== 'uncompressed') return true
  if (start.length < blockSize) return false
  try {
    // A block of zeros ends an archive, and begins one that is empty.
    decodeHeader(start.subarray(0, blockSize))
    return true
  } catch (thrown) {
    if (thrown instanceof SlipwayError && thrown.code === 'ERR_TAR_INVALID') return false
    throw thrown
  }
}
