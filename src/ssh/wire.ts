// The pieces that messages and keys of SSH are made of (RFC 4251, section 5).

/** Reads fields one after the other; throws RangeError behind the end. */
export class SshReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** What was not read yet. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#at)
  }

  byte(): number {
    return this.take(1).readUInt8()
  }

  uint32(): number {
    return this.take(4).readUInt32BE()
  }

  /** `string`: any bytes behind their length. */
  string(): Buffer {
    return this.take(this.uint32())
  }

  text(): string {
    return this.string().toString('utf8')
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('cut off')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

export function sshUint32(value: number): Buffer {
  const field = Buffer.alloc(4)
  field.writeUInt32BE(value)
  return field
}

export function sshString(value: string | Buffer): Buffer {
  const content = Buffer.from(value)
  return Buffer.concat([sshUint32(content.length), content])
}

/** `mpint` of a number that is not negative, given as its big-endian bytes. */
export function sshMpint(magnitude: Buffer): Buffer {
  let start = 0
  while (start < magnitude.length && magnitude[start] === 0) start++
  const digits = magnitude.subarray(start)
  const isHigh = (digits[0] ?? 0) >= 0x80
  return sshString(isHigh ? Buffer.concat([Buffer.alloc(1), digits]) : digits)
}
