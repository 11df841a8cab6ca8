// Helpers started before there is something for them to do: while one step runs, the helper of the next gets as far as
// it can without knowing what that will be.
import { SlipwayError } from '../core/error.ts'
import { type HelperProcess, type StatusLine, spawnHelper } from '../sys/helper-process.ts'
import type { Native } from '../sys/native.ts'
import type { ProcessIo } from './types.ts'

/** A helper that waits for its request. */
export interface ReadyHelper {
  readonly helper: HelperProcess
  /** Aborting kills it at once. */
  readonly killed: AbortController
  /** Who is told of its status lines, from now on. */
  listen(onStatus: (line: StatusLine) => void): void
}

export interface SpareHelpers extends AsyncDisposable {
  /** One that was started ahead, else a new one. Its output is piped. */
  take(): ReadyHelper
  /** Starts one ahead unless one is waiting. It says nothing before it has a request, and ends with this process. */
  prepare(): void
}

/** Starts a helper for one process. */
export function startHelper(native: Native, stdio: NonNullable<ProcessIo['stdio']>): ReadyHelper {
  const killed = new AbortController()
  let listener: (line: StatusLine) => void = () => undefined
  const helper = spawnHelper(native, 'run', {
    signal: killed.signal,
    stdio: stdio === 'inherit' ? ['inherit', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    onStatus: (line) => listener(line),
  })
  return {
    helper,
    killed,
    listen(onStatus) {
      listener = onStatus
    },
  }
}

function startAhead(native: Native): ReadyHelper | undefined {
  try {
    return startHelper(native, 'pipe')
  } catch (thrown) {
    // No processes or descriptors left, perhaps: a failure of who needs one then, not of the step that is running now.
    if (!(thrown instanceof SlipwayError)) throw thrown
    return undefined
  }
}

/** None is started before it is asked for; the one that waits is gone when this is disposed of. */
export function openSpareHelpers(native: Native): SpareHelpers {
  let spare: ReadyHelper | undefined
  return {
    take() {
      const ready = spare ?? startHelper(native, 'pipe')
      spare = undefined
      return ready
    },
    prepare() {
      if (spare !== undefined) return
      const started = startAhead(native)
      if (started === undefined) return
      spare = started
      // Killed while it waited, for want of memory perhaps: nobody is to be given a dead one.
      const forget = (): void => {
        if (spare === started) spare = undefined
      }
      started.helper.ended.then(forget, forget)
    },
    async [Symbol.asyncDispose]() {
      const last = spare
      spare = undefined
      last?.killed.abort()
      await last?.helper.ended
    },
  }
}
