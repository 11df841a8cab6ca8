// Building file trees through the native helper, which resolves every name inside the target's root.
// What to build is decided by the callers (unpacking layers, COPY, WORKDIR, local export).
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { SlipwayError } from '../core/error.ts'
import type { FileOperation } from './file-operation.ts'
import { FileEncoder, type FileTarget } from './file-wire.ts'
import { filesError } from './files-error.ts'
import { type HelperEnd, type StatusLine, spawnHelper } from './helper-process.ts'
import type { Native } from './native.ts'
import { dropVolatileMark } from './overlay-steps.ts'

export type { FileOperation, FileSource, Xattrs } from './file-operation.ts'
export type { FileTarget } from './file-wire.ts'

export interface FileOptions {
  readonly native: Native
  readonly signal: AbortSignal
  /** Whether a hard link without its target ends it all (ERR_FILES_LINK_TARGET_MISSING, the default) or is listed in the result. */
  readonly missingLinkTargets?: 'fail' | 'report'
  /** Bytes of all paths in the result's lists; 64 MiB if absent. More end in ERR_FILES_TOO_MANY. */
  readonly listedBytes?: number
}

/** What was done, by kind. */
export interface FileCounts {
  readonly directories: number
  readonly files: number
  readonly symlinks: number
  readonly hardlinks: number
  readonly nodes: number
  readonly removed: number
  /** Content written. */
  readonly bytes: number
  /** `user.*` attributes the file system cannot store. */
  readonly xattrsSkipped: number
  /** Of the nodes, the devices that an ordinary user cannot make: an empty file records each (native/record.h). */
  readonly recordedNodes: number
  /** Directories that no operation named but that were needed (or were made by `mkdirs`), in the order they were made. */
  readonly implied: readonly string[]
  /** Only with `missingLinkTargets: 'report'`; these links were not made. */
  readonly missingLinks: readonly { readonly path: string; readonly target: string }[]
}

/**
 * Applies the operations in order. Times of directories are set after the last operation. Throws ERR_FILES_*; what was
 * done until then stays (the caller throws the target away). Durability is the caller's (`syncFileSystem`).
 */
export async function applyFileOperations(
  target: FileTarget,
  operations: Iterable<FileOperation> | AsyncIterable<FileOperation>,
  options: FileOptions,
): Promise<FileCounts> {
  const implied: string[] = []
  const missingLinks: { path: string; target: string }[] = []
  let done: StatusLine | undefined
  let stderr = ''
  const mostListed = options.listedBytes ?? 64 << 20
  let listedBytes = 0
  const list = (...paths: readonly string[]): void => {
    for (const path of paths) listedBytes += path.length
    if (listedBytes > mostListed) helper.child.kill('SIGKILL')
  }
  const helper = spawnHelper(options.native, 'files', {
    signal: options.signal,
    stdio: ['ignore', 'ignore', 'pipe'],
    onStatus(line) {
      if (listedBytes > mostListed) return
      if (line.implied !== undefined) {
        implied.push(String(line.implied))
        list(String(line.implied))
      } else if (line.missingTarget !== undefined) {
        missingLinks.push({ path: String(line.link), target: String(line.missingTarget) })
        list(String(line.link), String(line.missingTarget))
      } else if (line.done === true) done = line
    },
  })
  helper.child.stderr?.setEncoding('latin1').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000)
  })
  const sender = new Sender(helper.request, helper.ended, options.signal)
  let end: HelperEnd
  try {
    const { isInitial, recordsOwners } = options.native.userNamespace()
    if (target.kind === 'overlay') dropVolatileMark(target.work)
    const reportLinks = options.missingLinkTargets === 'report'
    sender.encoder.target(target, { reportLinks, isInitial, recordsOwners })
    await send(sender, operations)
    end = await helper.ended
  } catch (thrown) {
    helper.child.kill('SIGKILL')
    // The process must be gone before the caller removes the target.
    await helper.ended
    options.signal.throwIfAborted()
    throw thrown
  }
  options.signal.throwIfAborted()
  if (listedBytes > mostListed) throw tooMuchImplied()
  if (done === undefined || end.code !== 0) throw filesError(end, stderr)
  const count = (key: string): number => Number(done?.[key] ?? 0)
  return {
    directories: count('directories'),
    files: count('files'),
    symlinks: count('symlinks'),
    hardlinks: count('hardlinks'),
    nodes: count('nodes'),
    removed: count('removed'),
    bytes: count('bytes'),
    xattrsSkipped: count('xattrsSkipped'),
    recordedNodes: count('recordedNodes'),
    implied,
    missingLinks,
  }
}

/** What to tell of devices that are only recorded, in one line; undefined when there are none. */
export function recordedNote({ recordedNodes }: FileCounts): string | undefined {
  if (recordedNodes === 0) return undefined
  const files = recordedNodes === 1 ? 'device is' : 'devices are'
  return `${recordedNodes} ${files} kept for the image but not made: only root of the machine makes devices`
}

function tooMuchImplied(): SlipwayError {
  return new SlipwayError({
    code: 'ERR_FILES_TOO_MANY',
    message: 'write files: too many directories that are not listed themselves, or links to nothing',
  })
}

async function send(
  sender: Sender,
  operations: Iterable<FileOperation> | AsyncIterable<FileOperation>,
): Promise<void> {
  if (Symbol.asyncIterator in operations) {
    for await (const operation of operations) {
      const waiting = sender.add(operation)
      if (waiting !== undefined) await waiting
      if (sender.stopped) return
    }
  } else {
    // Not for await: a turn of the microtask queue per file is what a whole small COPY would cost.
    for (const operation of operations) {
      const waiting = sender.add(operation)
      if (waiting !== undefined) await waiting
      if (sender.stopped) return
    }
  }
  sender.encoder.end()
  await sender.flush()
}

/** Gathers operations and writes them with back-pressure; stops quietly when the helper is gone. */
class Sender {
  readonly encoder = new FileEncoder()
  readonly #request: Writable
  readonly #ended: Promise<unknown>
  readonly #signal: AbortSignal
  #gone = false

  constructor(request: Writable, ended: Promise<unknown>, signal: AbortSignal) {
    this.#request = request
    this.#signal = signal
    const stop = (): void => {
      this.#gone = true
    }
    this.#ended = ended.then(stop, stop)
  }

  get stopped(): boolean {
    return this.#gone || this.#signal.aborted
  }

  /** A promise when the caller must wait before the next operation. */
  add(operation: FileOperation): Promise<void> | undefined {
    this.encoder.operation(operation)
    if (operation.op === 'file' && 'stream' in operation.source) {
      return this.#stream(operation.path, operation.source.stream, operation.source.size)
    }
    return this.encoder.pendingBytes >= batchBytes ? this.flush() : undefined
  }

  async flush(): Promise<void> {
    const pieces = this.encoder.take()
    // Waiting also lets the event loop turn: a caller's endless generator would never do so.
    if (this.#request.destroyed) await this.#ended
    if (this.stopped) return
    this.#request.cork()
    let open = true
    for (const piece of pieces) open = this.#request.write(piece)
    this.#request.uncork()
    if (open) return
    const settled = new AbortController()
    const drained = once(this.#request, 'drain', { signal: settled.signal }).catch(() => undefined)
    await Promise.race([drained, this.#ended])
    settled.abort()
  }

  async #stream(path: string, stream: AsyncIterable<Uint8Array>, size: number): Promise<void> {
    let left = size
    for await (const chunk of stream) {
      left -= chunk.length
      if (left < 0) break
      this.encoder.data(chunk)
      if (this.encoder.pendingBytes >= batchBytes) await this.flush()
      if (this.stopped) return
    }
    if (left === 0) return
    throw new SlipwayError({
      code: 'ERR_FILES_SOURCE_CHANGED',
      message: `write ${JSON.stringify(path)}: the content is ${left < 0 ? 'longer' : 'shorter'} than the ${size} bytes announced`,
    })
  }
}

const batchBytes = 256 << 10
