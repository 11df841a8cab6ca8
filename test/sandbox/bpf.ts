// A machine for the classic BPF of seccomp filters, as strict as the kernel's checker, for tests.
import { constants } from 'node:os'

export interface Call {
  /** As linux/audit.h names the architecture. */
  readonly architecture: number
  readonly number: number
  readonly args?: readonly bigint[]
}

export interface Answer {
  /** `allow`, `kill` or the name of an errno. */
  readonly verdict: string
  /** Instructions that were carried out. */
  readonly steps: number
}

export interface Program {
  readonly length: number
  answer(call: Call): Answer
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** The program in `bytes`; throws where the kernel would refuse to install it. */
export function readProgram(bytes: Buffer): Program {
  const code = Array.from({ length: bytes.length / 8 }, (_, i) => ({
    operation: bytes.readUInt16LE(i * 8),
    ifTrue: bytes.readUInt8(i * 8 + 2),
    ifFalse: bytes.readUInt8(i * 8 + 3),
    k: bytes.readUInt32LE(i * 8 + 4),
  }))
  for (const [i, { operation, ifTrue, ifFalse, k }] of code.entries()) {
    const targets = operation === 0x05 ? [k] : [0x15, 0x35, 0x45].includes(operation) ? [ifTrue, ifFalse] : []
    for (const target of targets) if (i + 1 + target >= code.length) throw new Error(`${i} jumps out`)
    if (operation === 0x20 && (k % 4 !== 0 || k > 60)) throw new Error(`${i} loads from nowhere`)
    if (![0x20, 0x05, 0x15, 0x35, 0x45, 0x06].includes(operation)) throw new Error(`${i} is not known`)
  }
  if (code.at(-1)?.operation !== 0x06) throw new Error('the program does not end')
  return { length: code.length, answer: (call) => run(code, dataOf(call)) }
}

type Code = readonly {
  readonly operation: number
  readonly ifTrue: number
  readonly ifFalse: number
  readonly k: number
}[]

function run(code: Code, data: Buffer): Answer {
  let accumulator = 0
  let at = 0
  for (let steps = 1; ; steps++) {
    const instruction = code[at++]
    if (instruction === undefined) throw new Error('ran past the end')
    const { operation, ifTrue, ifFalse, k } = instruction
    if (operation === 0x06) return { verdict: verdictOf(k), steps }
    else if (operation === 0x20) accumulator = data.readUInt32LE(k)
    else if (operation === 0x05) at += k
    else if (operation === 0x15) at += accumulator === k ? ifTrue : ifFalse
    else if (operation === 0x35) at += accumulator >= k ? ifTrue : ifFalse
    else at += (accumulator & k) >>> 0 > 0 ? ifTrue : ifFalse
  }
}

/** struct seccomp_data */
function dataOf({ architecture, number, args = [] }: Call): Buffer {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(number, 0)
  data.writeUInt32LE(architecture, 4)
  for (const [i, arg] of args.entries()) data.writeBigUInt64LE(arg, 16 + 8 * i)
  return data
}

function verdictOf(value: number): string {
  if (value === 0x7fff0000) return 'allow'
  if (value === 0x80000000) return 'kill'
  return value >>> 16 === 5
    ? (errnoNames.get(value & 0xffff) ?? `errno ${value & 0xffff}`)
    : `action ${value}`
}
