// Remembers the digests of a local directory's files between builds, so that an unchanged file is not read
// again: path → (dev, ino, size, mtime, ctime) → sha256. What is hashed is decided elsewhere.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf, hexOf } from '../../core/digest.ts'
import { errnoOf } from '../../core/error.ts'
import type { MemoryOptions } from './remembered.ts'
import { isSettled, storageTime } from './storage-time.ts'

/** What tells one state of a file from another without reading it; times in nanoseconds. */
export interface FileState {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

export interface StatCache {
  /** The sha256 (hex) of the file at `path` (a byte string) if it is still in `state`. */
  find(path: string, state: FileState): string | undefined
  /** Must be called before the first file is read whose digest will be added. */
  startReading(): void
  add(path: string, state: FileState, sha256: string): void
  /** Writes the cache if something was added; a failure to write costs time at the next build and nothing else. */
  save(): void
}

// Layout, little endian: magic, u32 count, u32 length of names; the names joined by NUL; padding to 8;
// `count` records of nine u64 (dev ino size mtime ctime sha256×4); sha256 of everything before.
const magic = Buffer.from('slipway stat 1\n\0', 'latin1')
const headerBytes = magic.length + 8
const recordWords = 9
const recordBytes = recordWords * 8
const trailerBytes = 32

/** The cache for the directory at `contextPath`, kept in `directory`; a damaged or absent file counts as empty. */
export function openStatCache(
  directory: string,
  contextPath: string,
  { write, remembered }: MemoryOptions,
): StatCache {
  const file = join(directory, hexOf(digestOf(contextPath)))
  let loaded: Known | undefined
  const known = (): Known => {
    if (loaded === undefined) {
      loaded = load(file)
      if (loaded.names.length > 0) remembered?.used(file)
    }
    return loaded
  }
  const used = new Set<string>()
  const added = new Map<string, Added>()
  let startNs: bigint | undefined
  let isSaved = true
  return {
    find(path, state) {
      const fresh = added.get(path)
      if (fresh !== undefined && isSame(fresh.state, state)) return fresh.sha256
      const sha256 = known().find(path, state)
      if (sha256 !== undefined) used.add(path)
      return sha256
    },
    startReading() {
      startNs ??= storageTime(directory)
    },
    add(path, state, sha256) {
      if (startNs === undefined || !isSettled(state.ctimeNs, startNs)) return
      added.set(path, { state, sha256 })
      isSaved = false
    },
    save() {
      if (isSaved) return
      isSaved = true
      try {
        write(file, encode(known(), used, added))
        remembered?.written()
      } catch (thrown) {
        if (errnoOf(thrown) === undefined) throw thrown
      }
    },
  }
}

interface Added {
  readonly state: FileState
  readonly sha256: string
}

function isSame(a: FileState, b: FileState): boolean {
  return (
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs &&
    a.size === b.size &&
    a.ino === b.ino &&
    a.dev === b.dev
  )
}

interface Known {
  readonly names: readonly string[]
  readonly words: BigUint64Array
  find(path: string, state: FileState): string | undefined
}

function load(file: string): Known {
  const bytes = read(file)
  const count = bytes?.readUInt32LE(magic.length) ?? 0
  const namesLength = bytes?.readUInt32LE(magic.length + 4) ?? 0
  const names =
    count === 0 || bytes === undefined
      ? []
      : bytes.toString('latin1', headerBytes, headerBytes + namesLength).split('\0')
  const words = new BigUint64Array(count * recordWords)
  const recordsStart = align(headerBytes + namesLength)
  if (bytes !== undefined) {
    new Uint8Array(words.buffer).set(bytes.subarray(recordsStart, recordsStart + count * recordBytes))
  }
  const raw = Buffer.from(words.buffer)
  let index: Map<string, number> | undefined
  return {
    names,
    words,
    find(path, state) {
      index ??= new Map(names.map((name, at) => [name, at]))
      const at = index.get(path)
      if (at === undefined) return undefined
      const word = at * recordWords
      const same =
        words[word + 3] === BigInt.asUintN(64, state.mtimeNs) &&
        words[word + 4] === BigInt.asUintN(64, state.ctimeNs) &&
        words[word + 2] === BigInt(state.size) &&
        words[word + 1] === state.ino &&
        words[word] === state.dev
      return same ? raw.toString('hex', (word + 5) * 8, (word + recordWords) * 8) : undefined
    },
  }
}

/** The file's bytes if they are whole: a torn write must never turn into a wrong digest. */
function read(file: string): Buffer | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown
    return undefined
  }
  if (bytes.length < headerBytes + trailerBytes || !bytes.subarray(0, magic.length).equals(magic))
    return undefined
  const end = bytes.length - trailerBytes
  const sum = createHash('sha256').update(bytes.subarray(0, end)).digest()
  return sum.equals(bytes.subarray(end)) ? bytes : undefined
}

function encode(known: Known, used: ReadonlySet<string>, added: ReadonlyMap<string, Added>): Buffer {
  // What this build did not look at may belong to another COPY of the same context, or be gone for good.
  const keepUnused = known.names.length <= 2 * (used.size + added.size) + 10_000
  const kept = known.names.flatMap((name, at) =>
    !added.has(name) && (keepUnused || used.has(name)) ? [at] : [],
  )
  const names = Buffer.from([...kept.map((at) => known.names[at]), ...added.keys()].join('\0'), 'latin1')
  const recordsStart = align(headerBytes + names.length)
  const count = kept.length + added.size
  const bytes = Buffer.alloc(recordsStart + count * recordBytes + trailerBytes)
  magic.copy(bytes)
  bytes.writeUInt32LE(count, magic.length)
  bytes.writeUInt32LE(names.length, magic.length + 4)
  names.copy(bytes, headerBytes)
  const raw = Buffer.from(known.words.buffer)
  let at = recordsStart
  for (const index of kept) {
    raw.copy(bytes, at, index * recordBytes, (index + 1) * recordBytes)
    at += recordBytes
  }
  for (const { state, sha256 } of added.values()) {
    bytes.writeBigUInt64LE(state.dev, at)
    bytes.writeBigUInt64LE(state.ino, at + 8)
    bytes.writeBigUInt64LE(BigInt(state.size), at + 16)
    bytes.writeBigUInt64LE(BigInt.asUintN(64, state.mtimeNs), at + 24)
    bytes.writeBigUInt64LE(BigInt.asUintN(64, state.ctimeNs), at + 32)
    bytes.write(sha256, at + 40, 'hex')
    at += recordBytes
  }
  createHash('sha256').update(bytes.subarray(0, at)).digest().copy(bytes, at)
  return bytes
}

function align(offset: number): number {
  return (offset + 7) & ~7
}
