// Whether a file begins as an archive: what decides if a URL is a build context or only a Dockerfile.
import { open } from 'node:fs/promises'
import { sniffCompression } from '../compression/format.ts'
import { SlipwayError } from '../core/error.ts'
import { readTar } from '../layer/tar-read.ts'

/** As much as BuildKit looks at. */
const sniffedBytes = 1024

/** Whether the file is a tar archive or compressed. Differs: BuildKit does not know zstd here. */
export async function beginsAsArchive(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(sniffedBytes), 0, sniffedBytes, 0)
    return isArchiveStart(buffer.subarray(0, bytesRead))
  } finally {
    await file.close()
  }
}

async function isArchiveStart(start: Buffer): Promise<boolean> {
  if (sniffCompression(start) !== 'uncompressed') return true
  const chunks = async function* (): AsyncGenerator<Buffer, void, undefined> {
    yield start
  }
  try {
    for await (const member of readTar(chunks())) return member !== undefined
    return false
  } catch (thrown) {
    if (thrown instanceof SlipwayError && thrown.code.startsWith('ERR_TAR_')) return false
    throw thrown
  }
}
