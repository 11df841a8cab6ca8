// From an entry to its header blocks: plain ustar, with a pax header in front only where ustar cannot say it.
// The same entry gives the same bytes everywhere, those of Go's archive/tar, so that layers have BuildKit's digests;
// user and group names are never written.
import { blockSize, type TarEntry, xattrPrefix } from './tar-entry.ts'

/** The blocks that come before an entry's body: a ustar header, preceded by a pax header only where ustar cannot say it. */
export function encodeHeader(entry: TarEntry): Buffer {
  const pax = new Map<string, string>()
  const path = entry.type === 'directory' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path
  const linkName = entry.linkTarget ?? ''
  if (linkName.length > nameBytes || !isAscii(linkName)) pax.set('linkpath', linkName)
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
  const split = pax.size === 0 ? splitName(path) : undefined
  if (split === undefined && (path.length > nameBytes || !isAscii(path))) pax.set('path', path)
  const payload = pax.size === 0 ? undefined : encodePax(pax)
  const at = payload === undefined ? 0 : blockSize + Math.ceil(payload.length / blockSize) * blockSize
  const blocks = Buffer.alloc(at + blockSize)
  if (payload !== undefined) {
    writePaxHeader(blocks, path, payload.length)
    payload.copy(blocks, blockSize)
  }
  const [prefix, name] = split ?? ['', nameField(path)]
  writeHeader(blocks, at, entry, { name, prefix, linkName: nameField(linkName) })
  return blocks
}

function formatPaxTime(nanoseconds: bigint): string {
  const magnitude = nanoseconds < 0n ? -nanoseconds : nanoseconds
  const fraction = String(magnitude % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${nanoseconds < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`
}

const nameBytes = 100
const prefixBytes = 155
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

/** Prefix and name of a long path as ustar can hold them: at the last slash that leaves a prefix short enough. */
function splitName(path: string): readonly [string, string] | undefined {
  if (path.length <= nameBytes || !isAscii(path)) return undefined
  const end = path.length > prefixBytes + 1 ? prefixBytes + 1 : path.length - (path.endsWith('/') ? 1 : 0)
  const slash = path.slice(0, end).lastIndexOf('/')
  const name = path.slice(slash + 1)
  return slash <= 0 || name === '' || name.length > nameBytes ? undefined : [path.slice(0, slash), name]
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f || code === 0) return false
  }
  return true
}

/** What the field of a name keeps for readers that ignore pax records: no bytes that are not ASCII, no slash at a cut. */
function nameField(name: string): string {
  const ascii = isAscii(name) ? name : name.replace(/[^\x01-\x7f]/g, '')
  const field = ascii.slice(0, nameBytes)
  return ascii.length > nameBytes ? field.replace(/\/+$/, '') : field
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

/** The header of a pax header, which has no metadata of its own. */
function writePaxHeader(blocks: Buffer, path: string, size: number): void {
  const slash = path.lastIndexOf('/') + 1
  const name = `${path.slice(0, slash)}PaxHeaders.0/${path.slice(slash)}`
  blocks.write(nameField(name).replace(/\/+$/, ''), 0, 'latin1')
  for (const at of [100, 108, 116]) writeOctal(blocks, at, 7, 0)
  writeOctal(blocks, 124, 11, size)
  writeOctal(blocks, 136, 11, 0)
  blocks[156] = 'x'.charCodeAt(0)
  finishHeader(blocks, 0)
}

interface Names {
  readonly name: string
  readonly prefix: string
  readonly linkName: string
}

function writeHeader(blocks: Buffer, at: number, entry: TarEntry, names: Names): void {
  const seconds = Number(entry.mtimeNs / 1_000_000_000n)
  blocks.write(names.name, at, 'latin1')
  writeOctal(blocks, at + 100, 7, entry.mode & 0o7777)
  writeOctal(blocks, at + 108, 7, entry.uid > maxId ? 0 : entry.uid)
  writeOctal(blocks, at + 116, 7, entry.gid > maxId ? 0 : entry.gid)
  writeOctal(blocks, at + 124, 11, entry.size > maxNumber ? 0 : entry.size)
  writeOctal(blocks, at + 136, 11, seconds < 0 || seconds > maxNumber ? 0 : seconds)
  blocks[at + 156] = typeflags[entry.type].charCodeAt(0)
  blocks.write(names.linkName, at + 157, 'latin1')
  writeOctal(blocks, at + 329, 7, entry.devMajor)
  writeOctal(blocks, at + 337, 7, entry.devMinor)
  blocks.write(names.prefix, at + 345, 'latin1')
  finishHeader(blocks, at)
}

function finishHeader(blocks: Buffer, at: number): void {
  blocks.write('ustar\x0000', at + 257, 'latin1')
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
