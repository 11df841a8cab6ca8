// An OCI image layout that somebody else has made: read, verified, and never written to.
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { type Digest, hexOf } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { abortable } from './abortable.ts'
import type { ContentReader } from './types.ts'
import { verifier } from './verifier.ts'

export interface ForeignLayout extends ContentReader {
  /** The bytes of index.json. Throws ERR_LAYOUT_*. */
  readIndex(): Promise<Buffer>
  /** Undefined when there is no such blob. */
  sizeOf(digest: Digest): Promise<number | undefined>
}

const maxIndexBytes = 16 << 20
const readBytes = 1 << 20

/** The layout in `directory`, of which nothing is looked at yet. */
export function openForeignLayout(directory: string): ForeignLayout {
  const blobPath = (digest: Digest): string => `${directory}/blobs/sha256/${hexOf(digest)}`
  const sizeOf = async (digest: Digest): Promise<number | undefined> => {
    const file = await openRegular(blobPath(digest))
    if (file === undefined) return undefined
    try {
      return (await file.stat()).size
    } finally {
      await file.close()
    }
  }
  return {
    sizeOf,
    has: async ({ digest, size }) => (await sizeOf(digest)) === size,
    async readIndex() {
      const path = `${directory}/index.json`
      const file = await openRegular(path)
      if (file === undefined) {
        throw new SlipwayError({
          code: 'ERR_LAYOUT_INVALID',
          message: `read OCI layout ${directory}: it has no index.json`,
          hint: 'name the directory that holds index.json and blobs',
        })
      }
      try {
        const { size } = await file.stat()
        if (size > maxIndexBytes) throw unreadable(path, `larger than ${maxIndexBytes >> 20} MiB`)
        return await file.readFile()
      } finally {
        await file.close()
      }
    },
    async open(descriptor, { signal } = {}) {
      signal?.throwIfAborted()
      const path = blobPath(descriptor.digest)
      const file = await openRegular(path)
      if (file === undefined) {
        throw new SlipwayError({
          code: 'ERR_BLOB_MISSING',
          message: `read blob ${descriptor.digest}: it is not in the OCI layout ${directory}`,
          data: { digest: descriptor.digest },
        })
      }
      const source = file.createReadStream({ highWaterMark: readBytes })
      const check = verifier(`read blob ${path}`, descriptor)
      async function* verified(): AsyncGenerator<Buffer> {
        for await (const chunk of source) {
          check.update(chunk as Buffer)
          yield chunk as Buffer
        }
        check.finish()
      }
      const stream = Readable.from(verified(), { objectMode: false, highWaterMark: readBytes })
      stream.once('close', () => source.destroy())
      return abortable(stream, signal)
    },
  }
}

/** Without following a link or waiting for a pipe's writer; undefined when there is nothing. */
async function openRegular(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw unreadable(path, errno === 'ELOOP' ? 'it is a symbolic link' : (errno ?? String(thrown)), thrown)
  }
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw unreadable(path, 'it is no regular file')
}

function unreadable(path: string, reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({ code: 'ERR_LAYOUT_INVALID', message: `read ${path}: ${reason}`, cause })
}
