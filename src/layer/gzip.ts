// gzip on several cores: blocks are deflated independently, each knowing the 32 KiB before it, and
// joined into one ordinary gzip member (RFC 1952), as pigz does.
import { availableParallelism } from 'node:os'
import { crc32, deflateRaw, constants as zlib } from 'node:zlib'

const blockBytes = 1024 * 1024
const windowBytes = 32 * 1024

/** One gzip member holding `source`. The bytes depend on the level and Node's zlib only, not on how `source` is cut or on the number of cores. */
export async function* gzip(
  source: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const width = Math.min(4, availableParallelism())
  const running: Promise<Buffer>[] = []
  let dictionary: Buffer | undefined
  let checksum = 0
  let size = 0
  // No name, no time; extra flags as gzip sets them; operating system unknown.
  yield Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, level === 9 ? 2 : level === 1 ? 4 : 0, 255])
  for await (const block of inBlocks(source)) {
    checksum = crc32(block, checksum)
    size += block.length
    const deflated = deflateBlock(block, level, dictionary)
    deflated.catch(() => undefined) // awaited in turn below; must not count as unhandled until then
    running.push(deflated)
    dictionary = block.subarray(-windowBytes)
    if (running.length > width) yield (await running.shift()) ?? Buffer.alloc(0)
  }
  for (const deflated of running) yield await deflated
  const trailer = Buffer.alloc(10)
  trailer[0] = 3 // an empty last deflate block: 1 bit "last", 2 bits "fixed codes", 7 bits "end of block"
  trailer.writeUInt32LE(checksum, 2)
  trailer.writeUInt32LE(size % 2 ** 32, 6)
  yield trailer
}

function deflateBlock(block: Buffer, level: number, dictionary: Buffer | undefined): Promise<Buffer> {
  const options = {
    level,
    chunkSize: 512 * 1024,
    // Ends on a byte boundary without the "last block" bit, so that the next block can simply follow.
    finishFlush: zlib.Z_SYNC_FLUSH,
    ...(dictionary === undefined ? {} : { dictionary }),
  }
  return new Promise((resolve, reject) => {
    deflateRaw(block, options, (error, result) => (error === null ? resolve(result) : reject(error)))
  })
}

/** The source cut at fixed places. */
async function* inBlocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let block = Buffer.allocUnsafeSlow(blockBytes)
  let used = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + blockBytes - used)
      block.set(part, used)
      used += part.length
      at += part.length
      if (used === blockBytes) {
        yield block
        block = Buffer.allocUnsafeSlow(blockBytes)
        used = 0
      }
    }
  }
  if (used > 0) yield block.subarray(0, used)
}
