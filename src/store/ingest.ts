// Bytes become a blob: a private temporary file, hashed while it is written, durable before it gets its name.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Digest } from '../core/digest.ts'
import { abortable } from './abortable.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { onDisk } from './storage-failure.ts'
import { type Expected, type Verifier, verifier } from './verifier.ts'

const flushBytes = 512 << 10

export interface IngestOptions {
  /** After it resolves, the names in the directory of blobs that were there at the call survive a power cut. */
  syncNames(): Promise<void>
  readonly signal?: AbortSignal | undefined
  /** Called before the blob gets its name. */
  pin?(digest: Digest): void
}

/** All bytes, a stream of them, or pieces each of which is done with when the next one is asked for. */
export type Body = Uint8Array | Readable | { readonly pieces: AsyncIterable<Uint8Array> }

/**
 * Stores `body` under its computed digest. Postcondition: the blob is durable, or nothing of it is left.
 * The caller holds the ingest lock, which keeps the sweep away from the temporary file.
 */
export async function ingest(
  paths: LayoutPaths,
  expected: Expected,
  body: Body,
  options: IngestOptions,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const { signal, syncNames } = options
  const temp = `${paths.ingest}/${randomBytes(16).toString('hex')}`
  const handle = await openNew(temp, body)
  const check = verifier('store blob', expected)
  try {
    try {
      await write(handle, temp, body, check, signal)
      const digest = check.finish()
      await onDisk('write', temp, async () => {
        await handle.chmod(0o444)
        await handle.sync()
      })
      options.pin?.(digest)
      // Replacing is right even when the name exists: our bytes are verified, the ones there may have rotted.
      await onDisk('write', paths.blob(digest), async () => {
        await rename(temp, paths.blob(digest))
        await syncNames()
      })
      return { digest, size: check.received }
    } finally {
      await handle.close()
    }
  } catch (thrown) {
    await unlink(temp).catch(() => undefined)
    throw thrown
  }
}

async function openNew(temp: string, body: Body): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    return await onDisk('create', temp, () => open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600))
  } catch (thrown) {
    if ('destroy' in body) body.destroy()
    throw thrown
  }
}

async function write(
  handle: FileHandle,
  temp: string,
  body: Body,
  check: Verifier,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (body instanceof Uint8Array) {
    signal?.throwIfAborted()
    check.update(body)
    await onDisk('write', temp, () => handle.writeFile(body))
    return
  }
  if ('pieces' in body) {
    await writePieces(handle, temp, body.pieces, check, signal)
    return
  }
  abortable(body, signal)
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  const flush = async (): Promise<void> => {
    if (pendingBytes === 0) return
    const batch = pending
    pending = []
    pendingBytes = 0
    await onDisk('write', temp, () => writeAll(handle, batch))
  }
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    check.update(chunk)
    pending.push(chunk)
    pendingBytes += chunk.byteLength
    if (pendingBytes >= flushBytes) await flush()
  }
  await flush()
}

async function writePieces(
  handle: FileHandle,
  temp: string,
  pieces: AsyncIterable<Uint8Array>,
  check: Verifier,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const piece of pieces) {
    signal?.throwIfAborted()
    // Hashed while it is being written, and both done before its memory is used again.
    const writing = onDisk('write', temp, () => writeAll(handle, [piece]))
    writing.catch(() => undefined)
    try {
      check.update(piece)
    } finally {
      await writing
    }
  }
}

/** writev may write less than asked (a full disk does so before it says ENOSPC). */
async function writeAll(handle: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  let rest = batch
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev([...rest])
    let done = 0
    for (const chunk of rest) {
      if (bytesWritten < chunk.byteLength) break
      bytesWritten -= chunk.byteLength
      done++
    }
    rest = rest.slice(done)
    const partial = rest[0]
    if (partial !== undefined && bytesWritten > 0) rest = [partial.subarray(bytesWritten), ...rest.slice(1)]
  }
}
