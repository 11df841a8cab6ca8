// Reads an archive member by member from a stream of bytes, holding no more than a chunk of it. Every
// rule about what is a valid header is in tar-decode.ts; what the members mean is left to the caller.
import { quoted } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { decodeHeader, decodePax, mergeEntry, type RawHeader } from './tar-decode.ts'
import { blockSize, type TarEntry, type TarSparse, tarError } from './tar-entry.ts'
import { checkPieces, parseNumber, piecesOf, type SparsePiece } from './tar-sparse.ts'

export interface TarLimits {
  readonly entries: number
  /** Bytes of one pax header or GNU long name. */
  readonly headerBytes: number
  /** Extended headers in front of one entry. */
  readonly pendingHeaders: number
  /** Bytes of one name or link target. */
  readonly nameBytes: number
  /** Bytes of all names and link targets together: readers keep many of them. */
  readonly allNameBytes: number
  /** Bytes of all sparse files together that are not stored. */
  readonly holeBytes: number
}

export const defaultTarLimits: TarLimits = {
  entries: 5_000_000,
  headerBytes: 1024 * 1024,
  pendingHeaders: 1024,
  nameBytes: 32 * 1024,
  allNameBytes: 512 * 1024 * 1024,
  holeBytes: 64 * 2 ** 30,
}

/** A member and its body. The body can be read once, before the next member is asked for; what is not read is skipped. */
export interface TarMember {
  readonly entry: TarEntry
  /** The body in chunks that stay valid. */
  chunks(): AsyncGenerator<Buffer, void, undefined>
  /** The whole body; for small ones. */
  bytes(): Promise<Buffer>
}

/**
 * The members of an archive, in order. Postcondition of a complete iteration: `source` was read to its end,
 * also behind the archive's end mark. Throws ERR_TAR_INVALID, ERR_TAR_TRUNCATED, ERR_TAR_UNSUPPORTED or
 * ERR_TAR_LIMIT. A missing end mark is tolerated, as every reader does.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits = defaultTarLimits,
): AsyncGenerator<TarMember, void, undefined> {
  const input = new Input(source)
  try {
    const headers = new HeaderReader(input, limits)
    let count = 0
    let named = 0
    let holes = 0
    for (let entry = await headers.next(); entry !== undefined; entry = await headers.next()) {
      if (++count > limits.entries) throw limitError(`more than ${limits.entries} entries`)
      named += checkedNames(entry, limits)
      if (named > limits.allNameBytes) throw limitError(`more than ${limits.allNameBytes} bytes of names`)
      holes += entry.size - (entry.sparse?.storedSize ?? entry.size)
      if (holes > limits.holeBytes) throw limitError(`more than ${limits.holeBytes} bytes of holes`)
      const body = new Body(input, entry, limits)
      yield body
      await body.skip()
    }
    await input.drain()
  } finally {
    await input.close()
  }
}

/**
 * Whether Go's reader, and so BuildKit, takes `source` for an archive: its first header is well-formed, whatever it
 * says. Of the rest nothing is read. Failures of `source` itself come through.
 */
export async function beginsAsTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits = defaultTarLimits,
): Promise<boolean> {
  const input = new Input(source)
  try {
    return await new HeaderReader(input, limits).begins()
  } catch (thrown) {
    const code = thrown instanceof SlipwayError ? thrown.code : ''
    if (code === 'ERR_TAR_INVALID' || code === 'ERR_TAR_TRUNCATED') return false
    throw thrown
  } finally {
    await input.close()
  }
}

/** How long the names of an entry are together. */
function checkedNames({ path, linkTarget = '' }: TarEntry, { nameBytes }: TarLimits): number {
  if (Math.max(path.length, linkTarget.length) <= nameBytes) return path.length + linkTarget.length
  throw limitError(`a name longer than ${nameBytes} bytes: ${quoted(path.slice(0, 60))}…`)
}

function limitError(reason: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_TAR_LIMIT', message: `read tar: ${reason}` })
}

/** Reads headers and the extended headers that belong to them. */
class HeaderReader {
  readonly #input: Input
  readonly #limits: TarLimits

  constructor(input: Input, limits: TarLimits) {
    this.#input = input
    this.#limits = limits
  }

  /** The next entry; undefined at the end of the archive. */
  async next(): Promise<TarEntry | undefined> {
    let pax: ReadonlyMap<string, string> = new Map()
    let longName: string | undefined
    let longLink: string | undefined
    let isAwaited = false
    for (let pending = 0; ; pending++) {
      if (pending > this.#limits.pendingHeaders) throw limitError('too many extended headers in a row')
      const header = await this.#header()
      if (header === undefined) {
        if (isAwaited) throw truncated()
        return undefined
      }
      if (header.typeflag !== 'g') isAwaited = true
      if (header.typeflag === 'x') pax = decodePax(await this.#payload(header))
      else if (header.typeflag === 'L') longName = upToNul(await this.#payload(header))
      else if (header.typeflag === 'K') longLink = upToNul(await this.#payload(header))
      // Global records carry a comment in practice (git archive); Go's reader drops them, and so does docker.
      else if (header.typeflag === 'g') decodePax(await this.#payload(header))
      else return mergeEntry(header, pax, longName, longLink)
    }
  }

  /** Whether there is a header of an entry, or one for all entries. */
  async begins(): Promise<boolean> {
    for (let pending = 0; pending <= this.#limits.pendingHeaders; pending++) {
      const header = await this.#header()
      if (header === undefined) return false
      if (header.typeflag === 'x' || header.typeflag === 'g') decodePax(await this.#payload(header))
      else if (header.typeflag === 'L' || header.typeflag === 'K') await this.#payload(header)
      else return true
      if (header.typeflag === 'g') return true
    }
    throw limitError('too many extended headers in a row')
  }

  async #header(): Promise<RawHeader | undefined> {
    const block = this.#input.take(blockSize) ?? (await this.#input.takeSlowly(blockSize))
    if (block === undefined) return undefined
    const header = decodeHeader(block)
    if (header !== undefined) return header
    const second = await this.#input.takeSlowly(blockSize)
    if (second !== undefined && decodeHeader(second) !== undefined) throw tarError('data behind a zero block')
    return undefined
  }

  async #payload(header: RawHeader): Promise<Buffer> {
    if (header.size < 0 || header.size > this.#limits.headerBytes) {
      throw limitError(`extended header larger than ${this.#limits.headerBytes} bytes`)
    }
    const padded = header.size + paddingOf(header.size)
    const bytes = this.#input.take(padded) ?? (await this.#input.takeSlowly(padded))
    if (bytes === undefined) throw truncated()
    return bytes.subarray(0, header.size)
  }
}

function upToNul(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end === -1 ? bytes.length : end)
}

function paddingOf(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize
}

function truncated(): SlipwayError {
  return new SlipwayError({
    code: 'ERR_TAR_TRUNCATED',
    message: 'read tar: the archive ends in the middle of an entry',
  })
}

class Body implements TarMember {
  readonly entry: TarEntry
  readonly #input: Input
  readonly #limits: TarLimits
  #left: number
  #padding: number

  constructor(input: Input, entry: TarEntry, limits: TarLimits) {
    this.entry = entry
    this.#input = input
    this.#limits = limits
    this.#left = entry.sparse?.storedSize ?? entry.size
    this.#padding = paddingOf(this.#left)
  }

  chunks(): AsyncGenerator<Buffer, void, undefined> {
    return this.entry.sparse === undefined ? this.#stored(this.#left) : this.#expanded(this.entry.sparse)
  }

  /** The next `length` bytes of what is stored. */
  async *#stored(length: number): AsyncGenerator<Buffer, void, undefined> {
    for (let left = length; left > 0; ) {
      const chunk = this.#input.some(left) ?? (await this.#input.someSlowly(left))
      left -= chunk.length
      this.#left -= chunk.length
      yield chunk
    }
  }

  /** A sparse file with its holes. */
  async *#expanded(sparse: TarSparse): AsyncGenerator<Buffer, void, undefined> {
    let at = 0
    for (const { offset, length } of sparse.pieces ?? (await this.#map())) {
      yield* zeros(offset - at)
      yield* this.#stored(length)
      at = offset + length
    }
    yield* zeros(this.entry.size - at)
  }

  /** The map that the body begins with: decimal numbers, each with a newline behind it, filled up to whole blocks. */
  async #map(): Promise<readonly SparsePiece[]> {
    const numbers: string[] = []
    let rest = ''
    let size = 0
    for (let wanted = 1; numbers.length < wanted; ) {
      size += blockSize
      if (size > this.#limits.headerBytes) throw limitError('a sparse file with too many pieces')
      const block = await this.#input.takeSlowly(blockSize)
      this.#left -= blockSize
      if (block === undefined || this.#left < 0) throw truncated()
      const lines = (rest + block.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      numbers.push(...lines)
      if (numbers[0] !== undefined) wanted = 1 + 2 * parseNumber(numbers[0])
      if (numbers.length >= wanted) numbers.length = wanted
    }
    const pieces = piecesOf(numbers.slice(1))
    checkPieces(pieces, this.entry.size, this.#left)
    return pieces
  }

  async bytes(): Promise<Buffer> {
    if (this.entry.sparse !== undefined) {
      const parts: Buffer[] = []
      for await (const chunk of this.chunks()) parts.push(chunk)
      return Buffer.concat(parts)
    }
    const size = this.#left
    this.#left = 0
    const bytes = this.#input.take(size) ?? (await this.#input.takeSlowly(size))
    if (bytes === undefined) throw truncated()
    return bytes
  }

  async skip(): Promise<void> {
    this.#left += this.#padding
    this.#padding = 0
    while (this.#left > 0) {
      this.#left -= (this.#input.some(this.#left) ?? (await this.#input.someSlowly(this.#left))).length
    }
  }
}

const zeroBlock = Buffer.alloc(256 * 1024)

function* zeros(length: number): Generator<Buffer, void, undefined> {
  for (let left = length; left > 0; left -= zeroBlock.length) yield zeroBlock.subarray(0, left)
}

const empty = Buffer.alloc(0)

/** The source as a byte string that is consumed from the front; the synchronous forms serve what is already there. */
class Input {
  readonly #iterator: AsyncIterator<Uint8Array>
  #chunk: Buffer = empty
  #ended = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** Exactly `size` bytes if the current chunk has them. */
  take(size: number): Buffer | undefined {
    if (this.#chunk.length < size) return undefined
    const bytes = this.#chunk.subarray(0, size)
    this.#chunk = this.#chunk.subarray(size)
    return bytes
  }

  /** Exactly `size` bytes; undefined when the source is at its end. */
  async takeSlowly(size: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = []
    let missing = size
    while (missing > 0) {
      if (this.#chunk.length === 0 && !(await this.#more())) {
        if (missing === size) return undefined
        throw truncated()
      }
      const part = this.#chunk.subarray(0, missing)
      this.#chunk = this.#chunk.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts)
  }

  /** Between 1 and `limit` bytes if the current chunk has any. */
  some(limit: number): Buffer | undefined {
    if (this.#chunk.length === 0) return undefined
    const part = this.#chunk.subarray(0, limit)
    this.#chunk = this.#chunk.subarray(part.length)
    return part
  }

  async someSlowly(limit: number): Promise<Buffer> {
    while (this.#chunk.length === 0) if (!(await this.#more())) throw truncated()
    return this.some(limit) ?? empty
  }

  async drain(): Promise<void> {
    do this.#chunk = empty
    while (await this.#more())
  }

  /** Lets the source release what it holds, also when the reader stops early. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#iterator.return?.()
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false
    const next = await this.#iterator.next()
    if (next.done === true) {
      this.#ended = true
      return false
    }
    const { buffer, byteOffset, byteLength } = next.value
    this.#chunk = Buffer.from(buffer, byteOffset, byteLength)
    return true
  }
}
