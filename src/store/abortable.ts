import { addAbortSignal, type Readable } from 'node:stream'

/**
 * `stream`, which an aborted `signal` ends with an AbortError, also one that was aborted before.
 *
 * Who reads `stream` may begin later than the signal is aborted. The failure waits for the reader
 * in the stream; the event that tells of it may find nobody there and must not end the process.
 */
export function abortable<Stream extends Readable>(stream: Stream, signal: AbortSignal | undefined): Stream {
  if (signal === undefined) return stream
  stream.on('error', () => undefined)
  return addAbortSignal(signal, stream)
}
