// sha256 of file contents, many small files at full speed: read by the batch in native code, while the batch before
// is hashed here; large ones piece by piece. What changes meanwhile is an error, never a digest of two halves.
import { createHash, hash } from 'node:crypto'
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { fsPath, textOf } from '../../core/byte-string.ts'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import type { Native } from '../../sys/native.ts'
import { FileBatch } from '../../sys/read-files.ts'
import type { SourceEntry } from './source-tree.ts'
import type { StatCache } from './stat-cache.ts'

export interface HashOptions {
  readonly native: Native
  readonly signal: AbortSignal
  /** Spares reading what did not change. */
  readonly cache?: StatCache | undefined
  /** What is hashed before a file's own bytes. */
  headOf?(entry: SourceEntry): string
}

const batchBytes = 1 << 20
const batchFiles = 512
/** Larger files are not read in batches. */
const smallBytes = 256 << 10
/** How many batches are being read or waiting to be hashed. */
const ahead = 3

/**
 * The sha256 (hex) of every file among `entries`, in order; undefined for what is no file.
 * Throws ERR_CONTEXT_UNREADABLE, ERR_CONTEXT_CHANGED.
 */
export async function hashFiles(
  entries: readonly SourceEntry[],
  { native, signal, cache, headOf }: HashOptions,
): Promise<(string | undefined)[]> {
  const digests: (string | undefined)[] = new Array(entries.length).fill(undefined)
  const note = (index: number, entry: SourceEntry, digest: string): void => {
    digests[index] = digest
    if (entry.state) cache?.add(entry.path, entry.state, digest)
  }
  const running: Promise<void>[] = []
  // Used again and again: left to the garbage collector, they would pile up.
  const buffers: Buffer[] = []
  let batch = new HashBatch(native, note, headOf)
  const launch = async (): Promise<void> => {
    if (batch.isEmpty) return
    const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(batchBytes)
    const flight = batch.finish(buffer, signal).then(() => {
      buffers.push(buffer)
    })
    // Met when its turn comes, or not at all when an earlier one failed.
    flight.catch(() => undefined)
    running.push(flight)
    batch = new HashBatch(native, note, headOf)
    if (running.length >= ahead) await running.shift()
  }
  for (const [index, entry] of entries.entries()) {
    if (entry.type !== 'file') continue
    const known = entry.state && cache?.find(entry.path, entry.state)
    if (known !== undefined) {
      digests[index] = known
      continue
    }
    cache?.startReading()
    if (entry.size > smallBytes) {
      note(index, entry, await hashLarge(entry, signal, headOf?.(entry)))
      continue
    }
    if (!batch.takes(entry)) await launch()
    batch.add(index, entry)
  }
  await launch()
  for (const flight of running) await flight
  cache?.save()
  return digests
}

type Note = (index: number, entry: SourceEntry, digest: string) => void

/** Small files that are read together. */
class HashBatch {
  readonly #files: FileBatch
  readonly #note: Note
  readonly #headOf: HashOptions['headOf']
  readonly #entries: { readonly index: number; readonly entry: SourceEntry; readonly start: number }[] = []
  #bytes = 0

  constructor(native: Native, note: Note, headOf: HashOptions['headOf']) {
    this.#files = new FileBatch(native)
    this.#note = note
    this.#headOf = headOf
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  takes({ size }: SourceEntry): boolean {
    return this.#bytes + size <= batchBytes && this.#entries.length < batchFiles
  }

  add(index: number, entry: SourceEntry): void {
    const { hostPath, size, state } = entry
    const identity = state === undefined ? {} : { state: { dev: state.dev, ino: state.ino } }
    this.#files.add({ path: hostPath, size, ...identity }, this.#bytes)
    this.#entries.push({ index, entry, start: this.#bytes })
    this.#bytes += size
  }

  /** Hashes the files by way of `bytes`, which is long enough for all of them. */
  async finish(bytes: Buffer, signal: AbortSignal): Promise<void> {
    const failure = await this.#files.read(bytes)
    signal.throwIfAborted()
    const failed = failure && this.#entries[failure.index]?.entry
    if (failed !== undefined)
      throw failure?.code === 'CHANGED' ? changed(failed) : unreadable(failed, failure)
    for (const { index, entry, start } of this.#entries) {
      const content = bytes.subarray(start, start + entry.size)
      const head = this.#headOf?.(entry)
      this.#note(
        index,
        entry,
        head === undefined
          ? hash('sha256', content, 'hex')
          : createHash('sha256').update(head, 'latin1').update(content).digest('hex'),
      )
    }
  }
}

async function hashLarge(entry: SourceEntry, signal: AbortSignal, head = ''): Promise<string> {
  // Neither a link nor a FIFO put in the file's place since the listing may be followed or waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  let handle: FileHandle | undefined
  try {
    handle = await open(fsPath(entry.hostPath), flags)
    const before = await handle.stat({ bigint: true })
    if (!before.isFile() || !isListed(entry, before)) throw changed(entry)
    const digest = await hashHandle(handle, entry, signal, head)
    const after = await handle.stat({ bigint: true })
    if (after.mtimeNs !== before.mtimeNs || after.ctimeNs !== before.ctimeNs) throw changed(entry)
    return digest
  } catch (thrown) {
    throw unreadable(entry, thrown)
  } finally {
    await handle?.close()
  }
}

async function hashHandle(
  handle: FileHandle,
  entry: SourceEntry,
  signal: AbortSignal,
  head: string,
): Promise<string> {
  const sum = createHash('sha256').update(head, 'latin1')
  // Two by turns: while one is hashed the other is filled.
  const buffers = [Buffer.allocUnsafeSlow(batchBytes), Buffer.allocUnsafeSlow(batchBytes)] as const
  const readNext = (turn: number) => {
    const buffer = buffers[turn % 2 === 0 ? 0 : 1]
    const reading = handle.read(buffer, 0, buffer.length, null)
    reading.catch(() => undefined)
    return reading
  }
  let total = 0
  let reading = readNext(0)
  for (let turn = 1; ; turn++) {
    const { bytesRead, buffer } = await reading
    // A file that grows for ever must not be read for ever.
    if (bytesRead === 0 || total > entry.size) break
    reading = readNext(turn)
    signal.throwIfAborted()
    sum.update(buffer.subarray(0, bytesRead))
    total += bytesRead
  }
  if (total !== entry.size) throw changed(entry)
  return sum.digest('hex')
}

/** Whether an open file is the one that was listed; another one may be reached by its name when a directory was swapped. */
export function isListed({ state }: SourceEntry, stat: Pick<BigIntStats, 'dev' | 'ino'>): boolean {
  return state === undefined || (stat.dev === state.dev && stat.ino === BigInt.asUintN(64, state.ino))
}

/** The failure of a local file that is not any more what it was when the build listed it. */
export function changed(entry: SourceEntry): SlipwayError {
  return new SlipwayError({
    code: 'ERR_CONTEXT_CHANGED',
    message: `read ${JSON.stringify(textOf(entry.path))}: the file changed during the build`,
    hint: changedHint,
    data: { path: textOf(entry.path) },
  })
}

/** The helper's finding that a source is not what it was, as the failure of the context that it is; anything else unchanged. */
export function asContextChange(thrown: unknown): unknown {
  if (!(thrown instanceof SlipwayError) || !thrown.code.startsWith('ERR_FILES_SOURCE_')) return thrown
  const { message, data } = thrown
  return new SlipwayError({
    code: 'ERR_CONTEXT_CHANGED',
    message,
    hint: changedHint,
    ...(data ? { data } : {}),
    cause: thrown,
  })
}

const changedHint =
  'build again when nothing writes to the build context, or exclude the file in .dockerignore'

/** A failed system call on a source file as an error that names the file; anything else unchanged. */
export function unreadable(entry: Pick<SourceEntry, 'path'>, thrown: unknown): unknown {
  const errno = errnoOf(thrown)
  if (errno === undefined || thrown instanceof SlipwayError) return thrown
  const path = shortened(JSON.stringify(textOf(entry.path)))
  return new SlipwayError({
    code: errno === 'ENOENT' || errno === 'ELOOP' ? 'ERR_CONTEXT_CHANGED' : 'ERR_CONTEXT_UNREADABLE',
    message: `read ${path}: ${reasons[errno] ?? errno}`,
    hint:
      errno === 'ENAMETOOLONG'
        ? 'nest directories less deep, or exclude them in the ignore file (.dockerignore)'
        : 'make the file readable, or exclude it in the ignore file (.dockerignore)',
    data: { path: textOf(entry.path), errno },
    cause: thrown,
  })
}

/** A path of thousands of directories would hide what is said about it. */
function shortened(path: string): string {
  return path.length <= 1000 ? path : `${path.slice(0, 200)}…${path.slice(-100)}`
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENAMETOOLONG: 'its path is longer than Linux takes (4,095 bytes)',
  EIO: 'input/output error',
  ENOENT: 'the file disappeared during the build',
  ELOOP: 'the file was replaced by a link during the build',
}
