// Starting the native helper and reading what it reports. What a mode's request and reports mean is
// the business of its caller (files.ts, sandbox/).
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Native } from './native.ts'
import { nativeMissing } from './native.ts'

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

export interface HelperEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly failure?: HelperFailure
}

export interface HelperProcess {
  readonly child: ChildProcess
  /** fd 3. Its errors are swallowed: a helper that stops reading says why on the status stream. */
  readonly request: Writable
  /** Resolves when the process is gone and its last status line was delivered; rejects with ERR_NATIVE_MISSING when it could not start. */
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

export type Stdio = 'ignore' | 'pipe' | 'inherit' | number

/** Starts `slipway-helper <mode>` with an empty environment, the request on fd 3 and status on fd 4. */
export function spawnHelper(
  native: Native,
  mode: 'files' | 'run' | 'network' | 'decompress',
  options: HelperOptions,
  ...args: readonly string[]
): HelperProcess {
  options.signal.throwIfAborted()
  const stdio: StdioOptions = [...options.stdio, 'pipe', 'pipe']
  const child = spawn(native.helper, [mode, String(process.pid), ...args], { stdio, env: {} })
  const request = child.stdio[3] as Writable
  const status = child.stdio[4] as Readable
  request.on('error', () => undefined)
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  options.signal.addEventListener('abort', kill, { once: true })
  const ended = watch(native, child, status, options.onStatus).finally(() =>
    options.signal.removeEventListener('abort', kill),
  )
  return { child, request, ended }
}

function watch(
  native: Native,
  child: ChildProcess,
  status: Readable,
  onStatus: (line: StatusLine) => void,
): Promise<HelperEnd> {
  return new Promise((resolve, reject) => {
    let failure: HelperFailure | undefined
    let exit: { code: number | null; signal: NodeJS.Signals | null } | undefined
    let statusEnded = false
    const settle = (): void => {
      if (exit === undefined || !statusEnded) return
      resolve({ ...exit, ...(failure === undefined ? {} : { failure }) })
    }
    readLines(status, (text) => {
      try {
        const line = JSON.parse(text) as StatusLine
        if (line.failed === undefined) onStatus(line)
        // A process above the one that failed may have something to say about that, too.
        else failure ??= line.failed as HelperFailure
      } catch (thrown) {
        // The helper may wait for an answer that will not come; thrown from here it would end the whole process.
        child.kill('SIGKILL')
        reject(thrown)
      }
    })
    status.on('error', () => undefined)
    status.once('close', () => {
      statusEnded = true
      settle()
    })
    child.once('error', (cause) => reject(nativeMissing(native.helper, cause)))
    child.once('exit', (code, signal) => {
      exit = { code, signal }
      settle()
    })
  })
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
