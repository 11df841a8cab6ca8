// Reading bzip2, xz and zstd in a process of their own (native/decompress.c), which can do nothing but read, write
// and end, and works while this one goes on.
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { invariant, SlipwayError } from '../core/error.ts'
import { type HelperEnd, spawnHelper } from '../sys/helper-process.ts'
import type { Native } from '../sys/native.ts'
import { corrupt } from './corrupt.ts'

/** The formats that Node's zlib does not know everywhere. */
export type Decoded = 'bzip2' | 'xz' | 'zstd'

export interface DecoderOptions {
  readonly native: Native
  readonly what: string
  readonly signal: AbortSignal
}

/** The plain bytes of `source`, which is `format`. Ends in ERR_DECOMPRESS_CORRUPT when it is damaged or cut off, in ERR_DECOMPRESS_UNSUPPORTED when it needs what is not there. */
export async function* runDecoder(
  format: Decoded,
  source: AsyncIterable<Uint8Array>,
  { native, what, signal }: DecoderOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { child, request, ended } = spawnHelper(
    native,
    'decompress',
    { signal, stdio: ['pipe', 'pipe', 'ignore'], onStatus: () => undefined },
    format,
  )
  request.end()
  ended.catch(() => undefined) // awaited below
  const { stdin, stdout } = child
  invariant(stdin !== null && stdout !== null, 'piped streams exist')
  const fed = feed(source, stdin, () => child.kill('SIGKILL'))
  fed.catch(() => undefined) // awaited below
  try {
    for await (const chunk of stdout as Readable) yield chunk as Buffer
    await fed
    const end = await ended
    signal.throwIfAborted()
    if (end.code !== 0) throw failureOf(end, format, what)
  } finally {
    child.kill('SIGKILL')
  }
}

/** Hands over all of `source`. That the decoder stops reading is no failure: it says itself what it dislikes. */
async function feed(
  source: AsyncIterable<Uint8Array>,
  stdin: Writable,
  onFailure: () => void,
): Promise<void> {
  let failure: { readonly cause: unknown } | undefined
  const watched = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* source
    } catch (cause) {
      failure = { cause }
      onFailure()
      throw cause
    }
  }
  try {
    await pipeline(watched(), stdin)
  } catch {
    if (failure !== undefined) throw failure.cause
  }
}

function failureOf(end: HelperEnd, format: Decoded, what: string): SlipwayError {
  const { failure } = end
  const kind = failure?.kind
  if (failure !== undefined && (kind === 'corrupt' || kind === 'trailing')) {
    return corrupt(what, format, failure.text)
  }
  if (failure !== undefined && kind === 'unsupported') {
    const message = `decompress ${what}: ${format}: ${failure.text}`
    return new SlipwayError({ code: 'ERR_DECOMPRESS_UNSUPPORTED', message })
  }
  const reason =
    failure === undefined
      ? `the decoder died (${end.signal ?? `exit code ${end.code}`})`
      : `${failure.stage}: ${failure.text}`
  return new SlipwayError({
    code: 'ERR_DECOMPRESS_FAILED',
    message: `decompress ${what}: ${format}: ${reason}`,
  })
}
