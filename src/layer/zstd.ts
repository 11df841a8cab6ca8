// Writing zstd by whatever this machine has: Node's own zlib (from 22.15), else the zstd program.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import zlib from 'node:zlib'
import { errnoOf, SlipwayError } from '../core/error.ts'

/** Node's zstd streams where this Node has them; its type declarations are those of Node 20. */
interface ZstdOfNode {
  createZstdCompress?(options: object): Transform
  readonly constants: { readonly ZSTD_c_compressionLevel?: number }
}

type Bytes = AsyncIterable<Uint8Array>
type ByteStream = AsyncGenerator<Uint8Array, void, undefined>

/** `source` as zstd at `level`; ERR_ZSTD_MISSING when nothing here can write it. */
export function zstd(source: Bytes, level: number): ByteStream {
  const node = zlib as ZstdOfNode
  if (node.createZstdCompress !== undefined && node.constants.ZSTD_c_compressionLevel !== undefined) {
    const params = { [node.constants.ZSTD_c_compressionLevel]: level }
    return throughTransform(source, node.createZstdCompress({ chunkSize: 256 * 1024, params }))
  }
  const program = findZstd()
  if (program === undefined) {
    throw new SlipwayError({
      code: 'ERR_ZSTD_MISSING',
      message: 'compress layer: this Node cannot write zstd and there is no zstd program',
      hint: 'install zstd, or use Node 22.15 or later, or compression=gzip',
    })
  }
  return throughProgram(source, program, ['-cq', '-T0', ...(level > 19 ? ['--ultra'] : []), `-${level}`])
}

async function* throughTransform(source: Bytes, transform: Transform): ByteStream {
  const fed = pipeline(Readable.from(source, { objectMode: false, highWaterMark: 1024 * 1024 }), transform)
  fed.catch(() => undefined) // reported by the loop below, which sees the same error
  try {
    for await (const chunk of transform) yield chunk as Buffer
    await fed
  } finally {
    transform.destroy()
  }
}

/** Only in the system's directories: the caller's PATH has no say in what handles untrusted data. */
function findZstd(): string | undefined {
  return ['/usr/local/bin/zstd', '/usr/bin/zstd', '/bin/zstd'].find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

async function* throughProgram(source: Bytes, program: string, args: readonly string[]): ByteStream {
  const child = spawn(program, args, { env: {}, stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) => reject(notStarted(program, cause)))
    child.once('close', (code) => resolve(code))
  })
  exited.catch(() => undefined) // awaited below
  // What could not be started may have no streams either.
  if (child.pid === undefined) await exited
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < 1000) complaint += text
  })
  let sourceFailure: { readonly cause: unknown } | undefined
  const fed = pipeline(
    watch(source, (cause) => (sourceFailure = { cause })),
    child.stdin,
  ).catch((cause) => {
    // The program stops reading when it dislikes the data: it says why on stderr. Only our own side's failures count.
    if (sourceFailure !== undefined) {
      child.kill('SIGKILL')
      throw sourceFailure.cause
    }
    return cause
  })
  fed.catch(() => undefined) // awaited below
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer
    await fed
    const code = await exited
    if (code !== 0)
      throw new SlipwayError({
        code: 'ERR_ZSTD_FAILED',
        message: `compress layer: ${complaint.split('\n')[0] || `zstd exited with ${code}`}`,
      })
  } finally {
    child.kill('SIGKILL')
  }
}

function notStarted(program: string, cause: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_ZSTD_FAILED',
    message: `compress layer: start ${program}: ${errnoOf(cause) ?? String(cause)}`,
    cause,
  })
}

async function* watch(source: Bytes, onFailure: (cause: unknown) => void): ByteStream {
  try {
    yield* source
  } catch (cause) {
    onFailure(cause)
    throw cause
  }
}
