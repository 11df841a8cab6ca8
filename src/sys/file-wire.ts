// File operations as native/files-operation.h wants them on the wire. Records are gathered into large
// pieces, because a write per file would cost more than the file.
import { bytesOf } from '../core/byte-string.ts'
import { invariant, SlipwayError } from '../core/error.ts'
import type { FileOperation, Xattrs } from './file-operation.ts'
import { overlaySteps } from './overlay-steps.ts'
import { namespaces, privateStep, RequestWriter, type Step, slots, flags as stepFlags } from './steps.ts'
import type { UserNamespace } from './user-namespace.ts'

/** What `applyFileOperations` changes; the paths are ordinary strings. */
export type FileTarget =
  /** One layer's own directory: whiteouts and opaque marks are made, files in the way of a directory replaced. */
  | { readonly kind: 'directory'; readonly path: string }
  /** Layer directories (bottom first) under a writable upper, as one file system. */
  | {
      readonly kind: 'overlay'
      readonly lower: readonly string[]
      readonly upper: string
      readonly work: string
    }

const opcodes = {
  end: 0,
  target: 1,
  directory: 2,
  inline: 3,
  copy: 4,
  symlink: 5,
  hardlink: 6,
  char: 7,
  block: 8,
  fifo: 9,
  whiteout: 10,
  opaque: 11,
  remove: 12,
  mkdirs: 13,
  owner: 14,
} as const

const flags = { keepExisting: 1, hasMtime: 2, hasSize: 4, hasInode: 8, hasMetadata: 16 } as const
const targetFlags = { overlay: 1, reportLinks: 2, isInitial: 4, recordsOwners: 8 } as const

/** Content at least this long is handed on as it is instead of being copied into a batch. */
const ownChunkBytes = 32 << 10
const pieceBytes = 256 << 10

/** Encodes operations into pieces of about 256 KiB. */
export class FileEncoder {
  #pieces: Uint8Array[] = []
  #piece = Buffer.allocUnsafeSlow(pieceBytes)
  #from = 0
  #at = 0
  #pending = 0

  /** Bytes encoded but not taken yet. */
  get pendingBytes(): number {
    return this.#pending + this.#at - this.#from
  }

  /** The encoded pieces; they are the caller's now. */
  take(): Uint8Array[] {
    this.#cut()
    const pieces = this.#pieces
    this.#pieces = []
    this.#pending = 0
    return pieces
  }

  target(target: FileTarget, { reportLinks, isInitial = true, recordsOwners = false }: TargetOptions): void {
    // Without layers below, the upper directory is the whole file system.
    if (target.kind === 'overlay' && target.lower.length > 0) this.#mount(target, isInitial)
    const isOverlay = target.kind === 'overlay'
    const path = bytesOf(isOverlay ? target.upper : target.path)
    const start = this.#begin(1 + 8 + 4 + path.length)
    this.#piece[start] = opcodes.target
    const bits =
      (isOverlay ? targetFlags.overlay : 0) |
      (reportLinks ? targetFlags.reportLinks : 0) |
      (isInitial ? targetFlags.isInitial : 0) |
      (recordsOwners ? targetFlags.recordsOwners : 0)
    this.#u64(start + 1, bits)
    this.#text(start + 9, path)
  }

  /** On the upper directory itself, where nobody else sees it. */
  #mount({ lower, upper, work }: Extract<FileTarget, { kind: 'overlay' }>, isInitial: boolean): void {
    const writer = new RequestWriter()
    const add = (step: Step): void => writer.step(step)
    add({ op: 'unshare', act: 'create mount namespace', number: namespaces.mounts })
    add(privateStep)
    add({ op: 'open', act: 'open target', path: upper, flags: stepFlags.directory, into: slots.upper })
    const use = { isInitial, onto: slots.upper, into: slots.root }
    overlaySteps({ lower, upper, work, target: upper }, use, add)
    this.data(writer.take())
  }

  end(): void {
    const start = this.#begin(1)
    this.#piece[start] = opcodes.end
  }

  /** Encodes everything of an operation but streamed content, whose `size` bytes must follow through `data`. */
  operation(operation: FileOperation): void {
    switch (operation.op) {
      case 'file':
        this.#file(operation)
        return
      case 'directory':
        this.#record(opcodes.directory, operation, {
          flags: operation.keepExisting === true ? flags.keepExisting : 0,
        })
        return
      case 'symlink':
        this.#record(opcodes.symlink, operation, { other: operation.target })
        return
      case 'hardlink':
        this.#record(
          opcodes.hardlink,
          { path: operation.path, ...operation.metadata },
          { other: operation.target, flags: operation.metadata === undefined ? 0 : flags.hasMetadata },
        )
        return
      case 'node':
        this.#record(opcodes[operation.type], operation, { size: operation.major, minor: operation.minor })
        return
      case 'whiteout':
      case 'opaque':
      case 'remove':
      case 'mkdirs':
      case 'owner':
        this.#record(opcodes[operation.op], operation, {})
    }
  }

  /** Raw content bytes. */
  data(bytes: Uint8Array): void {
    if (bytes.length >= ownChunkBytes) {
      this.#cut()
      this.#pieces.push(bytes)
      this.#pending += bytes.length
      return
    }
    if (this.#piece.length - this.#at < bytes.length) this.#renew(bytes.length)
    this.#piece.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #file(operation: Extract<FileOperation, { op: 'file' }>): void {
    const { source } = operation
    if ('bytes' in source) {
      this.#record(opcodes.inline, operation, { size: source.bytes.length })
      this.data(source.bytes)
    } else if ('stream' in source) {
      this.#record(opcodes.inline, operation, { size: source.size })
    } else {
      const { path, size, inode } = source
      const known = (size === undefined ? 0 : flags.hasSize) | (inode === undefined ? 0 : flags.hasInode)
      this.#record(opcodes.copy, operation, { other: path, size, inode, flags: known })
    }
  }

  #record(opcode: number, fields: Fields, extra: Extra): void {
    const { path, xattrs } = fields
    const other = extra.other ?? ''
    const length = 1 + 8 * 7 + 4 + path.length + 4 + other.length + xattrsLength(xattrs)
    const start = this.#begin(length)
    const hasMtime = fields.mtimeNs !== undefined
    this.#piece[start] = opcode
    this.#u64(start + 1, (extra.flags ?? 0) | (hasMtime ? flags.hasMtime : 0))
    this.#u64(start + 9, fields.mode ?? 0)
    this.#u64(start + 17, fields.uid ?? 0)
    this.#u64(start + 25, fields.gid ?? 0)
    this.#piece.writeBigInt64LE(hasMtime ? clampTime(fields.mtimeNs) : 0n, start + 33)
    this.#u64(start + 41, extra.size ?? 0)
    if (extra.inode === undefined) this.#u64(start + 49, extra.minor ?? 0)
    else this.#piece.writeBigUInt64LE(BigInt.asUintN(64, extra.inode), start + 49)
    let at = this.#text(start + 57, path)
    at = this.#text(at, other)
    for (const [name, value] of xattrs ?? []) {
      at = this.#text(at, name)
      this.#piece.writeUInt32LE(value.length, at)
      this.#piece.set(value, at + 4)
      at += 4 + value.length
    }
  }

  /** Room for a record; the place of its payload. */
  #begin(length: number): number {
    if (length > 15 << 20) {
      throw new SlipwayError({
        code: 'ERR_FILES_PATH_INVALID',
        message: 'write files: a name or its attributes are too long',
      })
    }
    if (this.#piece.length - this.#at < length + 4) this.#renew(length + 4)
    const start = this.#at
    this.#piece.writeUInt32LE(length, start)
    this.#at = start + 4 + length
    return start + 4
  }

  #u64(at: number, value: number): void {
    invariant(Number.isSafeInteger(value) && value >= 0, `file operation with the number ${value}`)
    this.#piece.writeUInt32LE(value >>> 0, at)
    this.#piece.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
  }

  #text(at: number, text: string): number {
    invariant(!/[^\x00-\xff]/.test(text), `${JSON.stringify(text)} is no byte string`)
    this.#piece.writeUInt32LE(text.length, at)
    this.#piece.write(text, at + 4, 'latin1')
    return at + 4 + text.length
  }

  /** Moves what was written into the current piece to the list. */
  #cut(): void {
    if (this.#at === this.#from) return
    this.#pieces.push(this.#piece.subarray(this.#from, this.#at))
    this.#pending += this.#at - this.#from
    this.#from = this.#at
  }

  #renew(needed: number): void {
    this.#cut()
    this.#piece = Buffer.allocUnsafeSlow(Math.max(pieceBytes, needed))
    this.#from = 0
    this.#at = 0
  }
}

/** The user namespace's part is that of this process; absent, the machine's own. */
interface TargetOptions extends Partial<Pick<UserNamespace, 'isInitial' | 'recordsOwners'>> {
  readonly reportLinks: boolean
}

interface Fields {
  readonly path: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtimeNs?: bigint
  readonly xattrs?: Xattrs
}

interface Extra {
  readonly flags?: number
  readonly other?: string
  readonly size?: number | undefined
  readonly minor?: number
  /** In the place of `minor`. */
  readonly inode?: bigint | undefined
}

function xattrsLength(xattrs: Xattrs | undefined): number {
  let length = 0
  for (const [name, value] of xattrs ?? []) length += 8 + name.length + value.length
  return length
}

const maxTime = 2n ** 63n - 1n

function clampTime(time: bigint): bigint {
  if (time > maxTime) return maxTime
  return time < -maxTime ? -maxTime : time
}
