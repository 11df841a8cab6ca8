// What was found at URLs the last time, so that nothing is transferred again that has not changed. Hints: a record that is
// lost or damaged costs one transfer.
import { mkdir, readFile } from 'node:fs/promises'
import { type Digest, digestOf, hexOf, isDigest } from '../core/digest.ts'
import { errnoOf } from '../core/error.ts'
import type { WriteHint } from '../store/hints.ts'
import { storageFailure } from '../store/storage-failure.ts'

export interface HttpRecord {
  readonly version: 1
  readonly digest: Digest
  readonly size: number
  /** As the server wrote them. */
  readonly etag?: string
  readonly lastModified?: string
  /** When the answer was made, by the server's clock. */
  readonly date?: string
  readonly disposition?: string
}

export interface HttpRecords {
  read(url: string): Promise<HttpRecord | undefined>
  write(url: string, record: HttpRecord): Promise<void>
}

/** The records in `directory`, made when needed. They are named by digests: URLs may hold secrets. */
export function openHttpRecords(directory: string, write: WriteHint): HttpRecords {
  const pathOf = (url: string): string => `${directory}/${hexOf(digestOf(url))}.json`
  return {
    async read(url) {
      try {
        return parse(await readFile(pathOf(url), 'utf8'))
      } catch (thrown) {
        if (errnoOf(thrown) === 'ENOENT') return undefined
        throw storageFailure('read', pathOf(url), thrown)
      }
    },
    async write(url, record) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        write(pathOf(url), JSON.stringify(record))
      } catch (thrown) {
        throw storageFailure('write', pathOf(url), thrown)
      }
    },
  }
}

function parse(text: string): HttpRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<HttpRecord> | null
    const isRecord = value?.version === 1 && isDigest(value.digest) && Number.isInteger(value.size)
    const texts = [value?.etag, value?.lastModified, value?.date, value?.disposition]
    if (!isRecord || texts.some((one) => one !== undefined && typeof one !== 'string')) return undefined
    return value as HttpRecord
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}
