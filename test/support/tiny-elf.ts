// The smallest programs for arm64 that say something: an ELF header, one segment, a few instructions.

/** A static program for Linux on arm64 that prints `text` and exits 0. `mark` (7 bytes at most) goes where the kernel never looks. */
export function tinyArm64Program(text: string, mark = ''): Buffer {
  const start = 0x400000
  const headers = 64 + 56
  const message = Buffer.from(text)
  const codeLength = 8 * 4
  const code = [
    0xd2800020, // mov x0, #1: standard output
    addressAhead(1, codeLength - 4), // adr x1, message
    0xd2800000 | (message.length << 5) | 2, // mov x2, #length
    0xd2800808, // mov x8, #64: write
    0xd4000001, // svc #0
    0xd2800000, // mov x0, #0
    0xd2800ba8, // mov x8, #93: exit
    0xd4000001, // svc #0
  ]
  const size = headers + codeLength + message.length
  const file = Buffer.alloc(size)
  file.write('\x7fELF\x02\x01\x01\x00', 'latin1')
  file.write(mark, 9, 7, 'latin1')
  file.writeUInt16LE(2, 16) // an executable
  file.writeUInt16LE(183, 18) // for AArch64
  file.writeUInt32LE(1, 20)
  file.writeBigUInt64LE(BigInt(start + headers), 24) // its entry
  file.writeBigUInt64LE(64n, 32) // where program headers begin
  file.writeUInt16LE(64, 52)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(1, 56)
  file.writeUInt32LE(1, 64) // one segment that is loaded,
  file.writeUInt32LE(5, 68) // readable and executable
  file.writeBigUInt64LE(BigInt(start), 80)
  file.writeBigUInt64LE(BigInt(start), 88)
  file.writeBigUInt64LE(BigInt(size), 96)
  file.writeBigUInt64LE(BigInt(size), 104)
  file.writeBigUInt64LE(0x10000n, 112)
  for (const [i, instruction] of code.entries()) file.writeUInt32LE(instruction >>> 0, headers + 4 * i)
  message.copy(file, headers + codeLength)
  return file
}

/** `adr`: the address `offset` bytes behind this instruction. */
function addressAhead(register: number, offset: number): number {
  return 0x10000000 | ((offset & 3) << 29) | ((offset >> 2) << 5) | register
}
