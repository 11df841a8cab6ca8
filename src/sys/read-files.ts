// Many small files in one native call, each read only if it still is what it was listed as. What is done with
// their bytes, and how a failure is told, is for the callers.
import type { Native } from './native.ts'

/** A regular file and what must be true of it, before and after it is read. */
export interface FileToRead {
  /** An absolute byte string without links in it. */
  readonly path: string
  readonly size: number
  /** Absent for files that cannot change (snapshots). */
  readonly state?: ReadState
}

export interface ReadState {
  readonly dev: bigint
  readonly ino: bigint
  /** Absent: not compared. */
  readonly times?: { readonly mtimeNs: bigint; readonly ctimeNs: bigint }
}

/** Why a file could not be read; the files after it were not tried. */
export interface ReadFailure {
  readonly index: number
  /** `CHANGED`, or the name of an errno. */
  readonly code: string
}

const flags = { identity: 1, times: 2 } as const
/** struct read_item of native/addon-read.h, in bytes. */
const itemBytes = 64
const pathBytes = 4096

/** Files being gathered for one call, and where their bytes go. */
export class FileBatch {
  readonly #native: Native
  #items = Buffer.allocUnsafeSlow(itemBytes * 256)
  #length = 0
  #count = 0

  constructor(native: Native) {
    this.#native = native
  }

  get count(): number {
    return this.#count
  }

  /** The file's bytes will be at `offset` of what `read` fills. */
  add({ path, size, state }: FileToRead, offset: number): void {
    const length = (itemBytes + path.length + 1 + 7) & ~7
    if (this.#items.length - this.#length < length) this.#grow(length)
    const items = this.#items
    const at = this.#length
    const hasState = state === undefined ? 0 : flags.identity
    items.writeUInt32LE(length, at)
    items.writeUInt32LE(path.length, at + 4)
    items.writeUInt32LE(state?.times === undefined ? hasState : hasState | flags.times, at + 8)
    items.writeUInt32LE(0, at + 12)
    writeNumber(items, size, at + 16)
    writeNumber(items, offset, at + 24)
    items.writeBigUInt64LE(state?.dev ?? 0n, at + 32)
    items.writeBigUInt64LE(BigInt.asUintN(64, state?.ino ?? 0n), at + 40)
    items.writeBigInt64LE(state?.times?.mtimeNs ?? 0n, at + 48)
    items.writeBigInt64LE(state?.times?.ctimeNs ?? 0n, at + 56)
    items.write(path, at + itemBytes, 'latin1')
    items.fill(0, at + itemBytes + path.length, at + length)
    this.#length += length
    this.#count++
  }

  /** Reads all of them; neither this batch nor `into` may be touched until the promise settles. */
  read(into: Buffer): Promise<ReadFailure | undefined> {
    return this.#native.addon().readFiles(this.#items.subarray(0, this.#length), into)
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#items.length, this.#length + needed + pathBytes))
    this.#items.copy(larger, 0, 0, this.#length)
    this.#items = larger
  }
}

function writeNumber(items: Buffer, value: number, at: number): void {
  items.writeUInt32LE(value >>> 0, at)
  items.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}
