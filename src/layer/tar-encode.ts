// From an entry to its header blocks: plain ustar, with a pax header in front only where ustar cannot say it.
// The same entry gives the same bytes everywhere; user and group names are never written.
import { blockSize, type TarEntry, xattrPrefix } from './tar-entry.ts'

/** The blocks that come before an entry's body: a ustar header, preceded by a pax header only where ustar cannot say it. */
export function encodeHeader(entry: TarEntry): Buffer {
  const pax = new Map<string, string>()
  const path = entry.type === 'directory' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path
  const linkName = entry.linkTarget ?? ''
  const [prefix, name] = splitName(path) ?? ['', undefined]
  if (name === undefined) pax.set('path', path)
  if (linkName.length > 100 || !isAscii(linkName)) pax.set('linkpath', linkName)
  if (entry.uid > maxId) pax.set('uid', String(entry.uid))
  if (entry.gid > maxId) pax.set('gid', String(entry.gid))
  if (entry.size > maxNumber) pax.set('size', String(entry.size))
  const seconds = Number(entry.mtimeNs / 1_000_000_000n)
  const isWholeSecond = entry.mtimeNs === BigInt(seconds) * 1_000_000_000n
  if (!isWholeSecond || seconds < 0 || seconds > maxNumber) pax.set('mtime', formatPaxTime(entry.mtimeNs))
  for (const [key, value] of entry.xattrs) {
    const escaped = key.replace(/%/g, '%25').replace(/=/g, '%3D')
    pax.set(
      xattrPrefix + escaped,
      Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1'),
    )
  }
  if (pax.size === 0) {
    const block = Buffer.alloc(blockSize)
    writeHeader(block, 0, entry, {
      name: name ?? '',
      prefix,
      linkName,
      typeflag: typeflags[entry.type],
      size: entry.size,
    })
    return block
  }
  const payload = encodePax(pax)
  const padded = Math.ceil(payload.length / blockSize) * blockSize
  const blocks = Buffer.alloc(2 * blockSize + padded)
  const fallback = asciiTail(path)
  writeHeader(blocks, 0, entry, {
    name: `PaxHeaders.0/${fallback.replace(/\/$/, '')}`,
    prefix: '',
    linkName: '',
    typeflag: 'x',
    size: payload.length,
  })
  payload.copy(blocks, blockSize)
  writeHeader(blocks, blockSize + padded, entry, {
    name: name ?? fallback,
    prefix,
    linkName: pax.has('linkpath') ? linkName.replace(/[^\x20-\x7e]/g, '_').slice(0, 100) : linkName,
    typeflag: typeflags[entry.type],
    size: entry.size,
  })
  return blocks
}

function formatPaxTime(nanoseconds: bigint): string {
  const magnitude = nanoseconds < 0n ? -nanoseconds : nanoseconds
  const fraction = String(magnitude % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${nanoseconds < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`
}

const maxId = 0o7777777
const maxNumber = 0o77777777777
const typeflags = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const

/** Prefix and name as ustar holds them, or undefined when they do not fit or are not plain ASCII. */
function splitName(path: string): readonly [string, string] | undefined {
  if (!isAscii(path)) return undefined
  if (path.length <= 100) return ['', path]
  // The name keeps at least one character behind the slash, and a directory keeps its own.
  const slash = path.indexOf('/', path.length - 101)
  if (slash <= 0 || slash > 155 || slash >= path.length - 1) return undefined
  return [path.slice(0, slash), path.slice(slash + 1)]
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7e || code < 0x20) return false
  }
  return true
}

/** A readable stand-in for readers that ignore pax records. */
function asciiTail(path: string): string {
  return path.replace(/[^\x20-\x7e]/g, '_').slice(-86)
}

function encodePax(records: ReadonlyMap<string, string>): Buffer {
  let text = ''
  for (const key of [...records.keys()].sort()) {
    const rest = key.length + (records.get(key) ?? '').length + 3
    // The length counts its own digits.
    let length = rest + String(rest).length
    if (String(length).length !== String(rest).length) length = rest + String(length).length
    text += `${length} ${key}=${records.get(key)}\n`
  }
  return Buffer.from(text, 'latin1')
}

interface HeaderFields {
  readonly name: string
  readonly prefix: string
  readonly linkName: string
  readonly typeflag: string
  readonly size: number
}

function writeHeader(blocks: Buffer, at: number, entry: TarEntry, fields: HeaderFields): void {
  blocks.write(fields.name, at, 'latin1')
  writeOctal(blocks, at + 100, 7, entry.mode & 0o7777)
  writeOctal(blocks, at + 108, 7, entry.uid > maxId ? 0 : entry.uid)
  writeOctal(blocks, at + 116, 7, entry.gid > maxId ? 0 : entry.gid)
  writeOctal(blocks, at + 124, 11, fields.size > maxNumber ? 0 : fields.size)
  writeOctal(blocks, at + 136, 11, Math.min(maxNumber, Math.max(0, Number(entry.mtimeNs / 1_000_000_000n))))
  blocks[at + 156] = fields.typeflag.charCodeAt(0)
  blocks.write(fields.linkName, at + 157, 'latin1')
  blocks.write('ustar\x0000', at + 257, 'latin1')
  writeOctal(blocks, at + 329, 7, entry.devMajor)
  writeOctal(blocks, at + 337, 7, entry.devMinor)
  blocks.write(fields.prefix, at + 345, 'latin1')
  let sum = 8 * 32
  for (let i = at; i < at + blockSize; i++) sum += blocks[i] ?? 0
  writeOctal(blocks, at + 148, 6, sum)
  blocks[at + 155] = 0x20
}

/** `digits` octal digits with leading zeros; the NUL behind them is already there. */
function writeOctal(blocks: Buffer, at: number, digits: number, value: number): void {
  let rest = value
  for (let i = at + digits - 1; i >= at; i--) {
    blocks[i] = 0x30 + (rest % 8)
    rest = Math.floor(rest / 8)
  }
}
