// Starting the native helper and reading what it reports. What a mode's request and reports mean is
// the business of its caller (files.ts, sandbox/).
import type { Readable, Writable } from 'node:stream'
import type { Native } from './native.ts'
import { type Child, type End, type Stdio, spawnChild } from './spawn.ts'

/** One JSON line of the helper's status stream. */
export type StatusLine = Readonly<Record<string, unknown>>

/** What the helper said about its own failure (native/fail.h). Texts from paths are byte strings. */
export interface HelperFailure {
  /** Stable word of a failure that is more than an errno. */
  readonly kind?: string
  /** The act, `mount proc`. */
  readonly stage: string
  readonly path?: string
  readonly errno?: string
  readonly text: string
}

export interface HelperEnd extends End {
  readonly failure?: HelperFailure
}

export interface HelperProcess {
  readonly child: Omit<Child, 'request' | 'status' | 'ended'>
  /** fd 3. Its errors are swallowed: a helper that stops reading says why on the status stream. */
  readonly request: Writable
  /** Resolves when the process is gone and its last status line was delivered. */
  readonly ended: Promise<HelperEnd>
}

export interface HelperOptions {
  /** Aborting kills the helper (SIGKILL): nothing of it stays mounted or running. */
  readonly signal: AbortSignal
  /** stdin, stdout, stderr. */
  readonly stdio: readonly [Stdio, Stdio, Stdio]
  /** Every status line but the failure, which is part of `ended`. */
  onStatus(line: StatusLine): void
}

/** Starts `slipway-helper <mode>` with an empty environment, the request on fd 3 and status on fd 4. Throws ERR_NATIVE_MISSING. */
export function spawnHelper(
  native: Native,
  mode: 'files' | 'run' | 'decompress',
  options: HelperOptions,
  ...args: readonly string[]
): HelperProcess {
  options.signal.throwIfAborted()
  const child = spawnChild(native, [mode, String(process.pid), ...args], options.stdio)
  const { request, status } = child
  request.on('error', () => undefined)
  const kill = (): void => child.kill('SIGKILL')
  options.signal.addEventListener('abort', kill, { once: true })
  const ended = watch(child, status, options.onStatus).finally(() => {
    options.signal.removeEventListener('abort', kill)
    request.destroy()
  })
  return { child, request, ended }
}

/** Every process of a helper keeps the status stream until it ends. */
function watch(child: Child, status: Readable, onStatus: (line: StatusLine) => void): Promise<HelperEnd> {
  return new Promise((resolve, reject) => {
    let failure: HelperFailure | undefined
    readLines(status, (text) => {
      try {
        const line = JSON.parse(text) as StatusLine
        if (line.failed === undefined) onStatus(line)
        // A process above the one that failed may have something to say about that, too.
        else failure ??= withHint(line.failed as HelperFailure)
      } catch (thrown) {
        // The helper may wait for an answer that will not come; thrown from here it would end the whole process.
        child.kill('SIGKILL')
        reject(thrown)
      }
    })
    status.on('error', () => undefined)
    status.once('close', () => {
      child.ended().then((end) => resolve({ ...end, ...(failure === undefined ? {} : { failure }) }), reject)
    })
  })
}

/** What there is to know of a failure of Linux that its own words do not say. */
function withHint(failure: HelperFailure): HelperFailure {
  const hint = failure.kind === undefined ? hintFor(failure) : undefined
  return hint === undefined ? failure : { ...failure, text: `${failure.text}; ${hint}` }
}

const forbidden = 'not allowed here; run as root, or allow CAP_SYS_ADMIN when inside a container'

/** Whether an overlay could not be mounted. */
export function isOfOverlay({ stage, path }: HelperFailure): boolean {
  return stage === 'mount' && path === 'overlay'
}

function hintFor(failure: HelperFailure): string | undefined {
  const { stage, errno } = failure
  if (errno === 'ENOSYS' && stage === 'openat2') return 'Linux 5.6 or newer is needed'
  if (errno === 'EPERM' && stage.includes('namespace')) return `namespaces are ${forbidden}`
  if (errno === 'EPERM' && stage.includes('mount')) return `mounting is ${forbidden}`
  return isOfOverlay(failure) ? overlayHints[errno ?? ''] : undefined
}

const overlayHints: Readonly<Record<string, string>> = {
  ENODEV: 'the kernel has no overlay file system (modprobe overlay)',
  EINVAL:
    'the file system of the state directory may not serve as an overlay upper layer (it must not itself be an overlay)',
  EROFS:
    'the kernel cannot make its work directory (no space left on device or disk quota exceeded, most likely)',
}

function readLines(stream: Readable, onLine: (text: string) => void): void {
  let rest = ''
  stream.setEncoding('latin1')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
}
