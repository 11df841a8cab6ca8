// The operations that native/steps.h performs inside new namespaces, as bytes on the wire. What they are good for is the
// business of those who write them (overlay-steps.ts, src/sandbox/{root,mount}-steps.ts and run-request.ts).

export const opcodes = {
  ...{ end: 0, start: 1, process: 2, write: 3, network: 4, unshare: 5, loopback: 6, mountText: 7 },
  ...{
    open: 8,
    attributes: 9,
    mount: 10,
    clone: 11,
    place: 12,
    cover: 13,
    directory: 14,
    node: 15,
    link: 16,
  },
  ...{ file: 17, pivot: 18, hostname: 19, enter: 20, propagation: 21 },
} as const

/** Open files by number. `host`: paths are the machine's own; `none`: nothing. */
export const slots = {
  ...{ host: 0, root: 1, store: 2, upper: 3, proc: 4, sys: 5, dev: 6, empty: 7, null: 8 },
  /** Used for a moment: a place to mount on, what is shown there, a whole file system of layers. */
  ...{ place: 9, shown: 10, view: 11 },
  none: 16,
} as const

export const flags = {
  ...{ mayFail: 1, noLinks: 2, modeOfPlace: 4, recursive: 8, placeDirectory: 16, noted: 32 },
  ...{ directory: 64, writable: 128, ownerRecorded: 256 },
} as const

/** CLONE_* of unshare(2). */
export const namespaces = { mounts: 0x20000, cgroups: 0x2000000 } as const

/** MOUNT_ATTR_* of mount_setattr(2). */
export const attributes = { readOnly: 1, noSuid: 2, noDev: 4, noExec: 8, strictAtime: 0x20 } as const

/** What file systems have of which nothing is run. */
export const passive: number = attributes.noSuid | attributes.noDev | attributes.noExec

export interface Step {
  readonly op: Exclude<keyof typeof opcodes, 'end' | 'start' | 'process'>
  /** For messages: `open mount point`. */
  readonly act: string
  readonly path?: string | Uint8Array
  readonly flags?: number
  /** Slots; `host`, `none` and `none` if absent. */
  readonly base?: number
  readonly into?: number
  readonly onto?: number
  readonly number?: number
  readonly rest?: readonly Field[]
}

export type Field = string | Uint8Array | number | bigint

const shortText = 64

/** A request being written. */
export class RequestWriter {
  #buffer = Buffer.allocUnsafe(1 << 15)
  #length = 0

  step({
    op,
    act,
    path = '',
    flags: bits = 0,
    base = 0,
    into = 16,
    onto = 16,
    number = 0,
    rest = [],
  }: Step): void {
    this.record(opcodes[op], [bits, base, into, onto, number, act, path, ...rest])
  }

  record(opcode: number, fields: readonly Field[]): void {
    const start = this.#length
    this.#room(5)
    this.#buffer[start + 4] = opcode
    this.#length += 5
    for (const field of fields) {
      if (typeof field === 'string') this.#text(field)
      else if (field instanceof Uint8Array) this.#bytes(field)
      else this.#integer(field)
    }
    this.#buffer.writeUInt32LE(this.#length - start - 4, start)
  }

  /** Records that another writer wrote. */
  append(records: Uint8Array): void {
    this.#room(records.length)
    this.#buffer.set(records, this.#length)
    this.#length += records.length
  }

  take(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #integer(value: number | bigint): void {
    this.#room(8)
    const at = this.#length
    if (typeof value === 'bigint' || value > 0xff) this.#buffer.writeBigUInt64LE(BigInt(value), at)
    else for (let i = 0; i < 8; i++) this.#buffer[at + i] = i === 0 ? value : 0
    this.#length += 8
  }

  #text(value: string): void {
    this.#room(4 + 3 * value.length)
    const length = this.#ascii(value) ?? this.#buffer.write(value, this.#length + 4)
    this.#buffer.writeUInt32LE(length, this.#length)
    this.#length += 4 + length
  }

  /** Most texts are short and plain, and a request has hundreds: leaving JavaScript for each costs more than it. */
  #ascii(value: string): number | undefined {
    const start = this.#length + 4
    if (value.length > shortText) return undefined
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return undefined
      this.#buffer[start + i] = code
    }
    return value.length
  }

  #bytes(value: Uint8Array): void {
    this.#room(4 + value.length)
    this.#buffer.writeUInt32LE(value.length, this.#length)
    this.#buffer.set(value, this.#length + 4)
    this.#length += 4 + value.length
  }

  #room(needed: number): void {
    if (this.#buffer.length - this.#length >= needed) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#length + needed))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

/** A directory or file to mount on or to work in, made when missing. */
export function placeStep(step: Omit<Step, 'op' | 'into' | 'rest'>, uid = 0, gid = 0): Step {
  return { ...step, op: 'place', into: slots.place, rest: [uid, gid] }
}

/** Nothing that is mounted from here on shows outside the mount namespace. */
export const privateStep: Step = {
  op: 'propagation',
  act: 'make mounts private',
  path: '/',
  // MS_PRIVATE, MS_REC
  number: 0x40000 | 0x4000,
}

/** The number of a device as the kernel has it, of those with small numbers. */
export function deviceNumber(major: number, minor: number): number {
  return (major << 8) | minor
}
