// Compiles the profile to classic BPF as seccomp(2) takes it. The numbers become a balanced tree of ranges, so that a
// call costs as many comparisons as the logarithm of their count; the helper only installs the result.
import { SlipwayError } from '../../core/error.ts'
import { type Architecture, type Condition, type Decision, type Decisions, decisionsOf } from './profile.ts'

/** One instruction of classic BPF (struct sock_filter): jumps count from the instruction behind. */
interface Instruction {
  readonly code: number
  readonly ifTrue: number
  readonly ifFalse: number
  readonly k: number
}

// linux/bpf_common.h: class, operation and operand in one number.
const loadWord = 0x20
const jumpAlways = 0x05
const jumpEqual = 0x15
const jumpNotLess = 0x35
const jumpAnyBit = 0x45
const answer = 0x06

// linux/seccomp.h
const allow = 0x7fff0000
const failWith = 0x00050000
const killProcess = 0x80000000

// struct seccomp_data; both supported machines are little-endian, so an argument's low half comes first.
const numberAt = 0
const architectureAt = 4
const argumentsAt = 16

// linux/audit.h: what the kernel calls an architecture.
const auditNames: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000003e,
  i386: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
}

/** What programs on a machine may be built for; x32 numbers are none of x86_64's and so answered as newer ones. */
const machines: Readonly<Record<string, readonly Architecture[]>> = {
  x64: ['x86_64', 'i386'],
  arm64: ['aarch64', 'arm'],
}

/** The filter for steps on a machine that Node calls `machine`, as the bytes of an array of struct sock_filter. */
export function seccompFilter(machine: string): Buffer {
  const architectures = machines[machine]
  if (architectures === undefined) {
    throw new SlipwayError({
      code: 'ERR_SANDBOX_UNSUPPORTED',
      message: `filter system calls: the numbers of ${machine} are not known`,
      hint: 'slipway builds on x64 and arm64',
    })
  }
  const sections = architectures.map((name) => {
    const body = [load(numberAt), ...tree(rangesOf(decisionsOf(name)))]
    return [load(architectureAt), jump(jumpEqual, auditNames[name], 1, 0), skip(body.length), ...body]
  })
  return encode([...sections.flat(), returning(killProcess)])
}

/** The numbers from `from` to the next range's, and what decides them. */
interface Range {
  readonly from: number
  readonly decision: Decision
}

function rangesOf({ named, otherwise, newest, newer }: Decisions): Range[] {
  const ranges: Range[] = []
  const add = (from: number, decision: Decision): void => {
    if (ranges.at(-1)?.decision !== decision) ranges.push({ from, decision })
  }
  const fallback = (number: number): Decision => (number > newest ? newer : otherwise)
  add(0, otherwise)
  for (const [number, decision] of [...named].sort(([a], [b]) => a - b)) {
    add(number, decision)
    if (!named.has(number + 1)) add(number + 1, fallback(number + 1))
  }
  return ranges
}

/** Precondition: the number is loaded and not below the first range. */
function tree(ranges: readonly Range[]): readonly Instruction[] {
  const middle = ranges[ranges.length >> 1]
  if (middle === undefined || ranges.length === 1)
    return middle === undefined ? [] : instructionsFor(middle.decision)
  const below = tree(ranges.slice(0, ranges.length >> 1))
  const above = tree(ranges.slice(ranges.length >> 1))
  // A conditional jump reaches 255 instructions.
  const head =
    below.length <= 0xff
      ? [jump(jumpNotLess, middle.from, below.length, 0)]
      : [jump(jumpNotLess, middle.from, 0, 1), skip(below.length)]
  return [...head, ...below, ...above]
}

function instructionsFor(decision: Decision): readonly Instruction[] {
  switch (decision.kind) {
    case 'allow':
      return [returning(allow)]
    case 'fail':
      return [returning(failWith | decision.error)]
    case 'allow-if':
      return conditional(decision.condition)
  }
}

function conditional({ argument, test, values, error }: Condition): readonly Instruction[] {
  const operation = test === 'noneOfTheBits' ? jumpAnyBit : jumpEqual
  const refused = returning(failWith | error)
  const [whenFound, whenNot] = test === 'only' ? [returning(allow), refused] : [refused, returning(allow)]
  const tests = values.map((value, i) => jump(operation, value, values.length - i, 0))
  return [load(argumentsAt + 8 * argument), ...tests, whenNot, whenFound]
}

function load(at: number): Instruction {
  return { code: loadWord, ifTrue: 0, ifFalse: 0, k: at }
}

function jump(code: number, k: number, ifTrue: number, ifFalse: number): Instruction {
  return { code, ifTrue, ifFalse, k }
}

function skip(count: number): Instruction {
  return { code: jumpAlways, ifTrue: 0, ifFalse: 0, k: count }
}

function returning(k: number): Instruction {
  return { code: answer, ifTrue: 0, ifFalse: 0, k }
}

function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8)
  for (const [i, { code, ifTrue, ifFalse, k }] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8)
    bytes.writeUInt8(ifTrue, i * 8 + 2)
    bytes.writeUInt8(ifFalse, i * 8 + 3)
    bytes.writeUInt32LE(k, i * 8 + 4)
  }
  return bytes
}
