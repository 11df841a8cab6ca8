// Starting the native helper without a copy of this large process, and learning how it ended. What it is told and what
// it says is for the caller.
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { errnoOf, invariant, SlipwayError } from '../core/error.ts'
import { type Native, nativeMissing } from './native.ts'

/** What a stream of a new process is: nothing, the other end of one here, this process's own of that number, or a descriptor. */
export type Stdio = 'ignore' | 'pipe' | 'inherit' | number

export interface End {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Child {
  readonly pid: number
  /** Each null unless it was to be a pipe. */
  readonly stdin: Socket | null
  readonly stdout: Socket | null
  readonly stderr: Socket | null
  /** Descriptors 3, written here, and 4, read here. */
  readonly request: Socket
  readonly status: Socket
  /** Nothing happens when it has ended. */
  kill(signal: NodeJS.Signals): void
  /** How it ended; only to be asked when it has closed its last file or is about to be gone. */
  ended(): Promise<End>
}

/** native/addon-spawn.h's numbers. */
const [nothing, pipe, socket] = [-1, -2, -3]

/** Starts `slipway-helper args…` with an empty environment. Throws ERR_NATIVE_MISSING. */
export function spawnChild(
  native: Native,
  args: readonly string[],
  [stdin, stdout, stderr]: readonly [Stdio, Stdio, Stdio],
): Child {
  // No sockets for what the child writes to: programs open /dev/stdout by its name.
  const ends = [wanted(stdin, 0, socket), wanted(stdout, 1, pipe), wanted(stderr, 2, pipe), socket, pipe]
  const streams = Int32Array.from(ends)
  const pid = start(native, args, streams)
  const [request, status] = [streamOf(streams, 3), streamOf(streams, 4)]
  invariant(request !== null && status !== null, 'these streams are always made')
  let isOver = false
  let ended: Promise<End> | undefined
  return {
    pid,
    stdin: streamOf(streams, 0),
    stdout: streamOf(streams, 1),
    stderr: streamOf(streams, 2),
    request,
    status,
    kill(signal) {
      // Until it is reaped nobody else has its number.
      if (!isOver) process.kill(pid, signal)
    },
    ended() {
      ended ??= reap(native, pid).finally(() => {
        isOver = true
      })
      return ended
    },
  }
}

function wanted(stdio: Stdio, own: number, piped: number): number {
  if (typeof stdio === 'number') return stdio
  if (stdio === 'inherit') return own
  return stdio === 'pipe' ? piped : nothing
}

function start(native: Native, args: readonly string[], streams: Int32Array): number {
  const list = ['slipway-helper', ...args].map((argument) => `${argument}\0`).join('')
  const addon = native.addon()
  try {
    return addon.spawn(Buffer.from(native.helper), Buffer.from(list), streams)
  } catch (cause) {
    const reason = shortages[errnoOf(cause) ?? '']
    if (reason === undefined) throw nativeMissing(native.helper, cause)
    const [message, hint] = reason
    throw new SlipwayError({ code: 'ERR_PROCESS_LIMIT', message: `start a process: ${message}`, hint, cause })
  }
}

/** What is wrong with the machine or its limits, not with the helper. */
const shortages: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  EMFILE: ['too many open files', 'raise ulimit -n'],
  ENFILE: ['too many open files on this machine', 'raise the sysctl fs.file-max'],
  EAGAIN: ['too many processes', 'raise ulimit -u, or the limit of the cgroup'],
  ENOMEM: ['out of memory', 'free some memory'],
}

function streamOf(streams: Int32Array, index: number): Socket | null {
  const fd = streams[index] ?? nothing
  if (fd < 0) return null
  const isWritten = index === 0 || index === 3
  return new Socket({ fd, readable: !isWritten, writable: isWritten })
}

/** How many turns of the event loop an ending process is given before others are. */
const turns = 50

async function reap(native: Native, pid: number): Promise<End> {
  for (let turn = 0; ; turn++) {
    const ended = native.addon().reap(pid)
    if (ended !== undefined) return endOf(ended)
    if (turn < turns) await setImmediate()
    else await sleep(Math.min(turn - turns + 1, 10))
  }
}

function endOf(ended: number): End {
  if (ended >= 0) return { code: ended, signal: null }
  const found = Object.entries(constants.signals).find(([, number]) => number === -ended)
  return { code: null, signal: (found?.[0] ?? 'SIGKILL') as NodeJS.Signals }
}
