// Standard input of a build: telling a Dockerfile from an archive by how it begins, and keeping the archive. What is in either
// is left to others.
import { Readable } from 'node:stream'
import { peek } from '../compression/peek.ts'
import { type Context, task } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { abortable } from '../store/abortable.ts'
import type { ContentStore } from '../store/types.ts'
import { isArchiveStart, sniffedBytes } from './archive-start.ts'
import { maxDockerfileBytes } from './input.ts'

/** What came on standard input; the archive's body is still to be read, once. */
export type Piped =
  | { readonly kind: 'dockerfile'; readonly bytes: Buffer }
  | { readonly kind: 'archive'; readonly body: AsyncIterable<Uint8Array> }

/** Reads as much of standard input as is needed to know what it is, and all of a Dockerfile. Throws ERR_FILE_UNREADABLE. */
export async function readPiped(stdin: Readable, signal: AbortSignal): Promise<Piped> {
  const { start, whole } = await peek(chunksOf(stdin, signal), sniffedBytes)
  if (isArchiveStart(start)) return { kind: 'archive', body: whole }
  return { kind: 'dockerfile', bytes: await readAll(whole) }
}

/** A Dockerfile on standard input, whatever it looks like. Throws ERR_FILE_UNREADABLE. */
export async function readPipedDockerfile(stdin: Readable, signal: AbortSignal): Promise<Buffer> {
  return readAll(chunksOf(stdin, signal))
}

/** Stores an archive from standard input. */
export async function storePiped(
  body: AsyncIterable<Uint8Array>,
  store: Pick<ContentStore, 'put'>,
  cx: Context,
): Promise<Digest> {
  const step = 'internal:piped'
  return task(cx, step, '[internal] load build context from standard input', async () => {
    const metered = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      let current = 0
      for await (const chunk of body) {
        current += chunk.byteLength
        cx.emit({ type: 'progress', step, what: 'transferring context', current, unit: 'bytes' })
        yield chunk
      }
      cx.emit({ type: 'progress', step, what: 'transferring context', current, unit: 'bytes', done: true })
    }
    const readable = Readable.from(metered(), { objectMode: false, highWaterMark: 1 << 20 })
    const { digest } = await store.put({ mediaType: 'application/octet-stream' }, readable, {
      signal: cx.signal,
    })
    return digest
  })
}

async function* chunksOf(stdin: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* abortable(stdin, signal) as AsyncIterable<Uint8Array>
  } catch (thrown) {
    signal.throwIfAborted()
    const errno = errnoOf(thrown)
    throw unreadable(errno === 'EISDIR' ? 'it is a directory' : (errno ?? String(thrown)), thrown)
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > maxDockerfileBytes) {
      throw unreadable(`the Dockerfile is larger than ${maxDockerfileBytes >> 20} MiB`)
    }
    all.push(chunk)
  }
  return Buffer.concat(all)
}

function unreadable(reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_FILE_UNREADABLE',
    message: `read standard input: ${reason}`,
    cause,
  })
}
