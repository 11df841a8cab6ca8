// How a failure reads on standard error: one message, where to read more, what to do about it, and the exit status that goes with it.
import { type ErrorJson, errnoOf, firstFailure, oneLine, SlipwayError } from '../core/error.ts'

/** Prints what was thrown and answers the exit status; a stack is printed for a bug when SLIPWAY_DEBUG asks for it. */
export function printFailure(given: unknown): number {
  const failure = firstFailure(given)
  const thrown =
    (failure as { syscall?: unknown } | null)?.syscall === 'uv_cwd'
      ? withoutPlace(failure)
      : errnoOf(failure) === 'EMFILE'
        ? withoutFiles(failure)
        : failure
  if (thrown instanceof SlipwayError) {
    process.stderr.write(`ERROR: ${thrown.message}\n`)
    for (const { message, data } of failuresOf(thrown)) {
      process.stderr.write(`  ${message}\n`)
      if (typeof data?.log === 'string') process.stderr.write(`    log: ${data.log}\n`)
    }
    for (const log of logsOf(thrown)) process.stderr.write(`  log: ${log}\n`)
    if (typeof thrown.data?.failed === 'string' && thrown.hint === undefined)
      process.stderr.write('  help: slipway shell --last-failed opens a shell where it failed\n')
    if (thrown.hint) process.stderr.write(`  help: ${thrown.hint}\n`)
    return typeof thrown.data?.exitStatus === 'number' ? thrown.data.exitStatus : 1
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  process.stderr.write(`ERROR: ${oneLine(error.message)}\n`)
  if (process.env.SLIPWAY_DEBUG) process.stderr.write(`${error.stack}\n`)
  else {
    process.stderr.write(
      '  help: this looks like a bug in slipway; SLIPWAY_DEBUG=1 prints where it happened\n',
    )
  }
  return 1
}

/** Whatever counts from the working directory fails like this once that has been removed. */
function withoutPlace(cause: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_DIRECTORY',
    message: 'find the working directory: it has been removed, or a directory above it cannot be read',
    hint: 'go to another directory, or name everything from the root on',
    cause,
  })
}

/** Anything that opens a file may fail like this. */
function withoutFiles(cause: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_PROCESS_LIMIT',
    message: 'open a file: too many open files',
    hint: 'raise ulimit -n',
    cause,
  })
}

/** The whole logs of what failed or was ended. */
function logsOf({ data }: SlipwayError): readonly string[] {
  if (typeof data?.log === 'string') return [data.log]
  return Array.isArray(data?.logs) ? data.logs : []
}

/** Of a build that went on after a step had failed: each step's failure. */
function failuresOf({ code, data }: SlipwayError): readonly ErrorJson[] {
  return code === 'ERR_STEPS_FAILED' && Array.isArray(data?.failures) ? data.failures : []
}
