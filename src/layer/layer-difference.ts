// Is an unpacked layer still what its archive says: every file's bytes, every link's text, every directory. Modes, owners
// and times are left alone, which a machine may keep in other ways; so is what only the directory has.
import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { lstat, open, readlink } from 'node:fs/promises'
import { quoted } from '../core/byte-string.ts'
import { errnoOf } from '../core/error.ts'
import { meaningOf } from './layer-path.ts'
import { readTar, type TarMember } from './tar-read.ts'

type Expected =
  | { readonly kind: 'directory' | 'other' }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'file'; readonly size: number; readonly hash: string }

/** What `directory` lacks of the layer whose plain archive this is, in words: the first difference; undefined when there is none. */
export async function layerDifference(
  directory: string,
  archive: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const expected = await expectedFiles(archive, signal)
  for (const [path, what] of expected) {
    signal.throwIfAborted()
    if (what.kind === 'other' || isBehindLink(path, expected)) continue
    const found = await look(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(path, 'latin1')]), what)
    if (found !== undefined) return `${quoted(`/${path}`)} ${found}`
  }
  return undefined
}

/** By path, what the archive has there in the end. */
async function expectedFiles(
  archive: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Expected>> {
  const expected = new Map<string, Expected>()
  for await (const member of readTar(archive)) {
    signal.throwIfAborted()
    const { kind, path } = { path: '', ...meaningOf(member.entry.path) }
    if (kind === 'whiteout') expected.set(path, { kind: 'other' })
    if (kind !== 'entry' || path === '') continue
    expected.set(path, await expectedOf(member, expected))
  }
  return expected
}

async function expectedOf(member: TarMember, known: ReadonlyMap<string, Expected>): Promise<Expected> {
  const { entry } = member
  switch (entry.type) {
    case 'directory':
      return { kind: 'directory' }
    case 'symlink':
      return { kind: 'symlink', target: entry.linkTarget ?? '' }
    case 'file': {
      const hash = createHash('sha256')
      for await (const chunk of member.chunks()) hash.update(chunk)
      return { kind: 'file', size: entry.size, hash: hash.digest('hex') }
    }
    case 'hardlink': {
      const { path } = { path: '', ...meaningOf(entry.linkTarget ?? '') }
      return known.get(path) ?? { kind: 'other' }
    }
    default:
      return { kind: 'other' }
  }
}

/** Where an entry went that lies behind a link of the same archive is decided elsewhere. */
function isBehindLink(path: string, expected: ReadonlyMap<string, Expected>): boolean {
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const above = expected.get(path.slice(0, at))
    if (above !== undefined && above.kind !== 'directory') return true
  }
  return false
}

async function look(path: Buffer, what: Expected): Promise<string | undefined> {
  try {
    return await compare(path, await lstat(path), what)
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (errno === undefined) throw thrown
    return errno === 'ENOENT' || errno === 'ENOTDIR' ? 'is missing' : `cannot be read (${errno})`
  }
}

async function compare(path: Buffer, found: Stats, what: Expected): Promise<string | undefined> {
  switch (what.kind) {
    case 'directory':
      return found.isDirectory() ? undefined : 'is no directory'
    case 'symlink': {
      if (!found.isSymbolicLink()) return 'is no symbolic link'
      return (await readlink(path, 'latin1')) === what.target ? undefined : 'leads elsewhere'
    }
    case 'file':
      if (!found.isFile()) return 'is no regular file'
      if (found.size !== what.size) return `has ${found.size} bytes, not ${what.size}`
      return (await hashOf(path, found.size)) === what.hash ? undefined : 'has other content'
    case 'other':
      return undefined
  }
}

/** Larger files are read in parts of this size. */
const partBytes = 1 << 20

async function hashOf(path: Buffer, size: number): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (size <= partBytes) return hash.update(await file.readFile()).digest('hex')
    for await (const chunk of file.createReadStream({ highWaterMark: partBytes, autoClose: false })) {
      hash.update(chunk as Buffer)
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}
