// Writes an archive in large pieces, each made while those before it are being consumed: headers in place, the bodies
// of small files read into it by one native call, large files read piece by piece.
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { fsPath, quoted } from '../core/byte-string.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { Native } from '../sys/native.ts'
import { FileBatch, type ReadState } from '../sys/read-files.ts'
import { encodeHeader } from './tar-encode.ts'
import { blockSize, type TarEntry } from './tar-entry.ts'

/** An entry and where its body comes from; `entry.size` decides how much of it is read. */
export interface TarInput {
  readonly entry: TarEntry
  readonly body?: TarBody
}

/**
 * The bytes themselves, or a regular file at a byte string (never followed if a link). A file with a `state` is checked before and after
 * it is read, and must have the entry's size. Only for files with a size.
 */
export type TarBody = Buffer | { readonly path: string; readonly state?: ReadState }

export interface TarOptions {
  /** Reads small files faster; their paths must then be absolute and hold no link anywhere, their sizes be exact. */
  readonly native?: Native
  /** A chunk is only good until the next one is asked for; then its memory is used again. */
  readonly reusesChunks?: true
}

const slabBytes = 1024 * 1024
/** A longer body gets pieces of its own. */
const smallBytes = 256 * 1024
/** How many pieces are made at the same time. */
const ahead = 3

/**
 * The archive's bytes, end mark included; each chunk belongs to the receiver. Throws ERR_TAR_SOURCE (`data.path` the
 * entry, `data.errno` if a call failed) when a file cannot be read or is not what its entry says.
 */
export async function* writeTar(
  inputs: Iterable<TarInput> | AsyncIterable<TarInput>,
  options: TarOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const waiting: Promise<Buffer>[] = []
  const later = (piece: Promise<Buffer>): void => {
    // Whoever takes the pieces meets the failure in its turn.
    piece.catch(() => undefined)
    waiting.push(piece)
  }
  const memory = new Memory(options.reusesChunks === true)
  async function* take(): AsyncGenerator<Buffer, void, undefined> {
    const piece = await waiting.shift()
    if (piece === undefined) return
    yield piece
    memory.free(piece)
  }
  let slab = new Slab(options, memory)
  const next = (atLeast = 0): void => {
    if (!slab.isEmpty) later(slab.close())
    slab = new Slab(options, memory, atLeast)
  }
  for await (const { entry, body } of inputs) {
    const header = encodeHeader(entry)
    const isLarge = entry.size > smallBytes && body !== undefined && !Buffer.isBuffer(body)
    const needed = header.length + (isLarge ? 0 : padded(entry.size))
    if (slab.room < needed) {
      next(needed)
      while (waiting.length > ahead) yield* take()
    }
    slab.bytes(header)
    if (isLarge) {
      next()
      const file = await openLarge(entry, body)
      try {
        for (let at = 0; at < entry.size; at += slabBytes) {
          later(file.piece(at, memory.take(slabBytes).subarray(0, entry.size - at)))
          while (waiting.length > ahead) yield* take()
        }
        while (waiting.length > 0) yield* take()
        await file.check()
      } finally {
        await file.close()
      }
      slab.zeros(padded(entry.size) - entry.size)
    } else if (entry.size > 0) {
      slab.body(entry, body)
      slab.zeros(padded(entry.size) - entry.size)
    }
  }
  if (slab.room < 2 * blockSize) next()
  if (slab.isEmpty) later(Promise.resolve(Buffer.alloc(2 * blockSize)))
  else {
    slab.zeros(2 * blockSize)
    later(slab.close())
  }
  while (waiting.length > 0) yield* take()
}

function padded(size: number): number {
  return Math.ceil(size / blockSize) * blockSize
}

/** Where pieces are put together. Left to the garbage collector, those of a large archive would pile up. */
class Memory {
  readonly #isReused: boolean
  readonly #free: Buffer[] = []

  constructor(isReused: boolean) {
    this.#isReused = isReused
  }

  take(length: number): Buffer {
    const known = length === slabBytes ? this.#free.pop() : undefined
    return known ?? Buffer.allocUnsafeSlow(length)
  }

  /** Nobody reads the piece any more. */
  free(piece: Buffer): void {
    if (this.#isReused && piece.buffer.byteLength === slabBytes) this.#free.push(Buffer.from(piece.buffer))
  }
}

/** A piece of the archive that is being put together. */
class Slab {
  readonly #memory: Memory
  readonly #length: number
  #made: Buffer | undefined
  readonly #batch: FileBatch | undefined
  readonly #entries: TarEntry[] = []
  readonly #slow: (() => Promise<void>)[] = []
  #at = 0

  constructor({ native }: TarOptions, memory: Memory, atLeast = 0) {
    this.#memory = memory
    this.#length = Math.max(slabBytes, atLeast + 2 * blockSize)
    this.#batch = native && new FileBatch(native)
  }

  get isEmpty(): boolean {
    return this.#at === 0
  }

  get room(): number {
    return this.#length - this.#at
  }

  /** Made when there is something to put into it: many layers are empty. */
  get #buffer(): Buffer {
    this.#made ??= this.#memory.take(this.#length)
    return this.#made
  }

  bytes(bytes: Buffer): void {
    bytes.copy(this.#buffer, this.#at)
    this.#at += bytes.length
  }

  zeros(count: number): void {
    this.#buffer.fill(0, this.#at, this.#at + count)
    this.#at += count
  }

  body(entry: TarEntry, body: TarInput['body']): void {
    if (body === undefined) throw notAsListed(entry)
    if (Buffer.isBuffer(body)) {
      if (body.length < entry.size) throw notAsListed(entry)
      body.copy(this.#buffer, this.#at, 0, entry.size)
    } else if (this.#batch !== undefined) {
      const { path, state } = body
      this.#entries.push(entry)
      this.#batch.add({ path, size: entry.size, ...(state ? { state } : {}) }, this.#at)
    } else {
      const into = this.#buffer.subarray(this.#at, this.#at + entry.size)
      this.#slow.push(() => readSmall(entry, body, into))
    }
    this.#at += entry.size
  }

  /** The piece when all bodies are in it. */
  async close(): Promise<Buffer> {
    const failure = this.#entries.length === 0 ? undefined : await this.#batch?.read(this.#buffer)
    if (failure !== undefined) {
      const entry = this.#entries[failure.index]
      throw entry === undefined ? new Error(`readFiles: ${failure.code}`) : cannotRead(entry, failure.code)
    }
    for (const read of this.#slow) await read()
    return this.#buffer.subarray(0, this.#at)
  }
}

type FileBody = Exclude<TarBody, Buffer>

async function readSmall(entry: TarEntry, body: FileBody, into: Buffer): Promise<void> {
  const file = await openLarge(entry, body)
  try {
    await file.fill(into, 0)
    await file.check()
  } finally {
    await file.close()
  }
}

async function openLarge(entry: TarEntry, body: FileBody): Promise<LargeFile> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(fsPath(body.path), flags).catch((thrown: unknown) => {
    throw asTarSource(entry, thrown)
  })
  const file = new LargeFile(handle, entry, body.state)
  try {
    await file.check()
    return file
  } catch (thrown) {
    await file.close()
    throw asTarSource(entry, thrown)
  }
}

class LargeFile {
  readonly #handle: FileHandle
  readonly #entry: TarEntry
  readonly #state: ReadState | undefined

  constructor(handle: FileHandle, entry: TarEntry, state: ReadState | undefined) {
    this.#handle = handle
    this.#entry = entry
    this.#state = state
  }

  async piece(position: number, into: Buffer): Promise<Buffer> {
    await this.fill(into, position)
    return into
  }

  async fill(into: Buffer, position: number): Promise<void> {
    try {
      for (let done = 0; done < into.length; ) {
        const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done)
        if (bytesRead === 0) throw notAsListed(this.#entry)
        done += bytesRead
      }
    } catch (thrown) {
      throw asTarSource(this.#entry, thrown)
    }
  }

  /** Whether the file is what it was listed as. */
  async check(): Promise<void> {
    if (this.#state === undefined) return
    const { dev, ino, times } = this.#state
    const stat = await this.#handle.stat({ bigint: true })
    const isSame =
      stat.isFile() &&
      stat.size === BigInt(this.#entry.size) &&
      stat.dev === dev &&
      stat.ino === BigInt.asUintN(64, ino) &&
      (times === undefined || (stat.mtimeNs === times.mtimeNs && stat.ctimeNs === times.ctimeNs))
    if (!isSame) throw notAsListed(this.#entry)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

function asTarSource(entry: TarEntry, thrown: unknown): unknown {
  const errno = errnoOf(thrown)
  return errno === undefined || thrown instanceof SlipwayError ? thrown : cannotRead(entry, errno)
}

function cannotRead(entry: TarEntry, code: string): SlipwayError {
  if (code === 'CHANGED') return notAsListed(entry)
  return new SlipwayError({
    code: 'ERR_TAR_SOURCE',
    message: `write tar: read file ${quoted(entry.path)}: ${code}`,
    data: { path: entry.path, errno: code },
  })
}

function notAsListed(entry: TarEntry): SlipwayError {
  return new SlipwayError({
    code: 'ERR_TAR_SOURCE',
    message: `write tar: file ${quoted(entry.path)} is not any more what it was, or shorter than ${entry.size} bytes`,
    data: { path: entry.path },
  })
}
