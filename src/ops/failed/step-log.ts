// What a step prints, whole, until it is known how the step ends. Little stays in memory; more goes to a file in the
// step's own working directory, which disappears with the step. Where logs of failed steps stay is kept-logs.ts.
import { closeSync, openSync, readSync, renameSync, writeSync } from 'node:fs'
import { errnoOf } from '../../core/error.ts'

/** The log of one running step. */
export interface StepLog {
  write(text: string): void
  /** Moves the log to `path` (same file system, replaced when there); false when there is nothing to keep. Throws the errno of the disk. */
  keep(path: string): boolean
  /** Closes the file; it is not removed. Any number of times. */
  [Symbol.dispose](): void
}

export interface StepLogOptions {
  /** Most bytes that are kept: of a longer log the first half of them and the last. */
  readonly mostBytes?: number
}

const bufferBytes = 1 << 16
const defaultMostBytes = 256 << 20

/** A log whose file, should it need one, is made at `path`. A disk that refuses it ends the log, not the step. */
export function openStepLog(path: string, { mostBytes = defaultMostBytes }: StepLogOptions = {}): StepLog {
  const half = Math.floor(mostBytes / 2)
  let texts: string[] = []
  let length = 0
  let fd: number | undefined
  let writtenBytes = 0
  let failure: unknown

  /** The file is its first half and a ring: byte `at` of the log is found there as long as it is kept. */
  const placeOf = (at: number): number => (at < half ? at : half + ((at - half) % half))

  const store = (bytes: Buffer): void => {
    fd ??= openSync(path, 'wx+', 0o600)
    for (let from = 0; from < bytes.length; ) {
      const place = placeOf(writtenBytes)
      const room = (place < half ? half : 2 * half) - place
      const count = writeSync(fd, bytes, from, Math.min(room, bytes.length - from), place)
      from += count
      writtenBytes += count
    }
  }
  const flush = (): void => {
    if (length === 0 || failure !== undefined) return
    const bytes = Buffer.from(texts.join(''))
    texts = []
    length = 0
    try {
      store(bytes)
    } catch (thrown) {
      if (errnoOf(thrown) === undefined) throw thrown
      failure = thrown
    }
  }
  const close = (): void => {
    if (fd !== undefined) closeSync(fd)
    fd = undefined
  }

  return {
    write(text) {
      if (failure !== undefined) return
      texts.push(text)
      length += text.length
      if (length >= bufferBytes) flush()
    },
    keep(target) {
      flush()
      if (failure !== undefined) throw failure
      if (fd === undefined) return false
      if (writtenBytes > 2 * half) writeInOrder(fd, `${path}.ordered`, { half, writtenBytes, placeOf })
      close()
      renameSync(writtenBytes > 2 * half ? `${path}.ordered` : path, target)
      return true
    },
    [Symbol.dispose]: close,
  }
}

interface Ring {
  readonly half: number
  readonly writtenBytes: number
  placeOf(at: number): number
}

/** The first half, a line that says what is missing, the last half. */
function writeInOrder(from: number, path: string, { half, writtenBytes, placeOf }: Ring): void {
  const to = openSync(path, 'wx', 0o600)
  try {
    const buffer = Buffer.alloc(Math.min(half, 1 << 20))
    const copy = (start: number, end: number): void => {
      for (let at = start; at < end; ) {
        const place = placeOf(at)
        const room = place < half ? half - place : 2 * half - place
        const count = readSync(from, buffer, 0, Math.min(buffer.length, room, end - at), place)
        writeAll(to, buffer.subarray(0, count))
        at += count
      }
    }
    const missing = writtenBytes - 2 * half
    copy(0, half)
    writeAll(to, Buffer.from(`\n[… ${missing} bytes are left out here …]\n`))
    copy(half + missing, writtenBytes)
  } finally {
    closeSync(to)
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
}
