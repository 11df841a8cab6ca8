// Archives as nobody's tar would write them: each member's header says just what a test wants.

export interface MadeMember {
  readonly name: string
  /** '0' unless said; '\0' is the file of before ustar. */
  readonly type?: string
  /** A byte string. */
  readonly body?: string
  readonly link?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Seconds since 1970; below 0 it is written in base 256. */
  readonly mtime?: number
  readonly major?: number
  readonly minor?: number
  /** What the header says is the body's size. */
  readonly size?: number
  /** Records of a pax header in front of it. */
  readonly pax?: Readonly<Record<string, string>>
  /** Written into the header's block as it is, before the checksum is made. */
  readonly raw?: readonly (readonly [at: number, bytes: string])[]
}

/** A whole archive; with `end: ''` its end mark is missing. */
export function makeTar(members: readonly MadeMember[], { end = '\0'.repeat(1024) } = {}): Buffer {
  return Buffer.concat([...members.map(makeMember), Buffer.from(end, 'latin1')])
}

export function makeMember(member: MadeMember): Buffer {
  const {
    name,
    type = '0',
    body = '',
    link = '',
    mode = 0o644,
    uid = 0,
    gid = 0,
    mtime = 1_400_000_000,
  } = member
  const block = Buffer.alloc(512)
  block.write(name, 0, 100, 'latin1')
  writeNumber(block, 100, 8, mode)
  writeNumber(block, 108, 8, uid)
  writeNumber(block, 116, 8, gid)
  writeNumber(block, 124, 12, member.size ?? body.length)
  writeNumber(block, 136, 12, mtime)
  block.write(type, 156, 1, 'latin1')
  block.write(link, 157, 100, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  writeNumber(block, 329, 8, member.major ?? 0)
  writeNumber(block, 337, 8, member.minor ?? 0)
  for (const [at, bytes] of member.raw ?? []) block.write(bytes, at, 'latin1')
  block.write('        ', 148, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  const padded = Buffer.alloc(Math.ceil(body.length / 512) * 512)
  padded.write(body, 'latin1')
  const records = Object.entries(member.pax ?? {}).map(([key, value]) => paxRecord(key, value))
  const before = records.length === 0 ? [] : [makeMember({ name: 'pax', type: 'x', body: records.join('') })]
  return Buffer.concat([...before, block, padded])
}

/** A record of a pax header, `length key=value\n`, where the length counts itself. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length
  return `${length}${rest}`
}

/** Octal; base 256 where that does not fit. */
function writeNumber(block: Buffer, at: number, length: number, value: number): void {
  const octal = value.toString(8)
  if (value >= 0 && octal.length < length) {
    block.write(octal.padStart(length - 1, '0'), at, 'latin1')
    return
  }
  let rest = BigInt(value)
  for (let i = length - 1; i >= 0; i--) {
    block[at + i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  block[at] = (block[at] ?? 0) | 0x80
}
