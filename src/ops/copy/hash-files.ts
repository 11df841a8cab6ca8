// sha256 of file contents, many small files at full speed: synchronous reads (a promise per system call
// costs more than the call), with the event loop let in every few milliseconds.
import { createHash, hash } from 'node:crypto'
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { fsPath, textOf } from '../../core/byte-string.ts'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import type { SourceEntry } from './source-tree.ts'
import type { StatCache } from './stat-cache.ts'

const sliceMs = 10
const bufferBytes = 1 << 20

/**
 * The sha256 (hex) of every file among `entries`, in order; undefined for what is no file. `cache` spares
 * reading what did not change. Throws ERR_CONTEXT_UNREADABLE, ERR_CONTEXT_CHANGED.
 */
export async function hashFiles(
  entries: readonly SourceEntry[],
  cache: StatCache | undefined,
  signal: AbortSignal,
): Promise<(string | undefined)[]> {
  const digests: (string | undefined)[] = []
  const buffer = { bytes: Buffer.alloc(0) }
  let sliceEnd = performance.now() + sliceMs
  for (const entry of entries) {
    if (entry.type !== 'file') {
      digests.push(undefined)
      continue
    }
    const known = entry.state && cache?.find(entry.path, entry.state)
    if (known !== undefined) {
      digests.push(known)
      continue
    }
    if (performance.now() > sliceEnd) {
      signal.throwIfAborted()
      await setImmediate()
      sliceEnd = performance.now() + sliceMs
    }
    cache?.startReading()
    if (buffer.bytes.length === 0) buffer.bytes = Buffer.allocUnsafeSlow(bufferBytes)
    const digest = await hashFile(entry, buffer.bytes, signal)
    if (entry.state) cache?.add(entry.path, entry.state, digest)
    digests.push(digest)
  }
  cache?.save()
  return digests
}

async function hashFile(entry: SourceEntry, buffer: Buffer, signal: AbortSignal): Promise<string> {
  // Neither a link nor a FIFO put in the file's place since the listing may be followed or waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  let fd: number
  try {
    fd = openSync(fsPath(entry.hostPath), flags)
  } catch (thrown) {
    throw unreadable(entry, thrown)
  }
  try {
    const stat = fstatSync(fd, { bigint: true })
    if (!stat.isFile() || !isListed(entry, stat)) throw changed(entry)
    // One byte more than the file should have: a file that grew must not pass for its beginning.
    const first = readSync(fd, buffer, 0, Math.min(buffer.length, entry.size + 1), null)
    if (first <= entry.size && entry.size < buffer.length) {
      if (first !== entry.size) throw changed(entry)
      return hash('sha256', buffer.subarray(0, first), 'hex')
    }
    const sum = createHash('sha256').update(buffer.subarray(0, first))
    let total = first
    for (let n = first; n > 0; ) {
      n = readSync(fd, buffer, 0, buffer.length, null)
      sum.update(buffer.subarray(0, n))
      total += n
      await setImmediate()
      signal.throwIfAborted()
    }
    if (total !== entry.size) throw changed(entry)
    return sum.digest('hex')
  } catch (thrown) {
    throw unreadable(entry, thrown)
  } finally {
    closeSync(fd)
  }
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
  const path = JSON.stringify(textOf(entry.path))
  return new SlipwayError({
    code: errno === 'ENOENT' || errno === 'ELOOP' ? 'ERR_CONTEXT_CHANGED' : 'ERR_CONTEXT_UNREADABLE',
    message: `read ${path}: ${reasons[errno] ?? errno}`,
    hint: 'make the file readable, or exclude it in .dockerignore',
    data: { path: textOf(entry.path), errno },
    cause: thrown,
  })
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EIO: 'input/output error',
  ENOENT: 'the file disappeared during the build',
  ELOOP: 'the file was replaced by a link during the build',
}
