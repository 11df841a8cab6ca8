// Reading bzip2, xz and zstd by a process of its own: what reads data that nobody vouches for holds nothing
// worth taking, and works while this one goes on.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { corrupt } from './corrupt.ts'
import { unzstdInScript } from './zstd-script.ts'

/** The formats that Node's zlib does not know everywhere. */
export type Decoded = 'bzip2' | 'xz' | 'zstd'

/** The plain bytes of `source`, which is `format`. Ends in ERR_DECOMPRESS_CORRUPT when it is damaged or cut off. */
export async function* runDecoder(
  format: Decoded,
  source: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const program = findProgram(format)
  if (program === undefined && format === 'zstd') {
    yield* unzstdInScript(source, what)
    return
  }
  if (program === undefined) {
    throw new SlipwayError({
      code: 'ERR_DECOMPRESS_PROGRAM',
      message: `decompress ${what}: it is ${format}, and the program ${format} is not installed`,
      hint: `install ${format === 'xz' ? 'xz-utils' : format}, or compress it with gzip`,
    })
  }
  const child = spawn(program, ['-dcq'], { env: {}, stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < 1000) complaint += text
  })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  exited.catch(() => undefined) // awaited below
  let sourceFailure: { readonly cause: unknown } | undefined
  const watched = watch(source, (cause) => (sourceFailure = { cause }))
  const fed = pipeline(watched, child.stdin).catch((cause: unknown) => {
    // The decoder stops reading when it dislikes the data: it says why itself. Only our own side's failures count.
    if (sourceFailure === undefined) return
    child.kill('SIGKILL')
    throw cause
  })
  fed.catch(() => undefined) // awaited below
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer
    await fed
    const code = await exited
    if (code === 0) return
    const reason = complaint.split('\n')[0]?.replace(/^.*?: */, '') || `${format} exited with ${code}`
    throw corrupt(what, format, reason)
  } finally {
    child.kill('SIGKILL')
  }
}

async function* watch(
  source: AsyncIterable<Uint8Array>,
  onFailure: (cause: unknown) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* source
  } catch (cause) {
    onFailure(cause)
    throw cause
  }
}

/** Only in the system's directories: the caller's PATH has no say in what handles untrusted data. */
function findProgram(name: string): string | undefined {
  return ['/usr/local/bin', '/usr/bin', '/bin']
    .map((directory) => `${directory}/${name}`)
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch (thrown) {
        if (errnoOf(thrown) === undefined) throw thrown
        return false
      }
    })
}
