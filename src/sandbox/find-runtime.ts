// Finding an OCI runtime on this machine, and what has to be known about it before it is used.
import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { SlipwayError } from '../core/error.ts'
import { quotedLine } from './quoted-line.ts'

export interface Runtime {
  /** The program, absolute. */
  readonly program: string
  /** It takes an option by which it leaves cgroups alone. */
  readonly isCrun: boolean
  /** It takes one by which it does without them where it may make none. */
  readonly isRunc: boolean
}

/** The program that `name` (looked up in `path`, $PATH) or a path means. Throws ERR_RUNTIME_MISSING. */
export function findRuntime(name: string, path: string): string {
  if (name.includes('/')) {
    const program = resolve(name)
    if (isProgram(program)) return program
    throw new SlipwayError({
      code: 'ERR_RUNTIME_MISSING',
      message: `find OCI runtime ${name}: it is not a program`,
      hint: 'give --runtime the name or the path of an OCI runtime',
    })
  }
  for (const directory of path.split(':')) {
    const program = join(directory, name)
    if (directory.startsWith('/') && isProgram(program)) return program
  }
  throw new SlipwayError({
    code: 'ERR_RUNTIME_MISSING',
    message: `find OCI runtime ${name}: it is not in $PATH`,
    hint: `install it (on Debian: apt-get install ${/^[a-z0-9][a-z0-9.+-]*$/.test(name) ? name : 'crun'}), or leave --runtime out`,
  })
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const answerMs = 20_000

/** Asks the program for its version, which shows that it runs here at all. Throws ERR_RUNTIME_FAILED. */
export async function askRuntime(program: string, signal: AbortSignal): Promise<Runtime> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], {
      env: {},
      signal,
      timeout: answerMs,
      maxBuffer: 1 << 16,
    })
    const is = (name: string): boolean => basename(program) === name || stdout.startsWith(`${name} version`)
    return { program, isCrun: is('crun'), isRunc: is('runc') }
  } catch (cause) {
    signal.throwIfAborted()
    const { stderr = '', code } = cause as { stderr?: string; code?: unknown }
    throw runtimeError('ask for its version', program, `${code ?? 'no answer'}`, stderr, cause)
  }
}

/** The failure of a runtime, with what it wrote to standard error in one line. */
export function runtimeError(
  act: string,
  program: string,
  reason: string,
  stderr: string,
  cause?: unknown,
): SlipwayError {
  const said = quotedLine(stderr)
  return new SlipwayError({
    code: 'ERR_RUNTIME_FAILED',
    message: `${act} with OCI runtime ${program}: ${reason}${said === '' ? '' : `: ${said}`}`,
    hint: 'leave --runtime out to use the sandbox that slipway brings',
    ...(cause === undefined ? {} : { cause }),
  })
}
