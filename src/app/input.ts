// What a build reads of the user's own directories before anything runs: the Dockerfile and the ignore file.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { errnoOf, redact, SlipwayError } from '../core/error.ts'
import type { SourceFile } from '../core/span.ts'
import type { MainContext, Pins } from '../plan/types.ts'
import { decodeText } from './decode-text.ts'

/** A Dockerfile longer than this is a mistake or an attack. */
export const maxDockerfileBytes = 16 << 20
/** As much as BuildKit reads. */
const maxIgnoreFileBytes = 16 << 20

export interface InputRequest {
  /** The context as typed. */
  readonly contextName: string
  /** Absolute path of the context directory; undefined when standard input takes its place. */
  readonly context?: string
  /** Path given with --file, `-` for standard input. */
  readonly file?: string
  /** The same as typed: a URL, or a path in a context that is no directory of this machine. */
  readonly fileName?: string
  stdin(): Readable
}

export interface BuildInput {
  readonly dockerfile: SourceFile
  readonly ignoreFile?: SourceFile
  /** The main context where it is no directory, and what that stands for now. */
  readonly fetched?: { readonly source: MainContext; readonly pins: Pins }
}

/** The Dockerfile of a directory (`elsewhere`: it is not there but this) and the ignore file that goes with it. Throws ERR_CONTEXT_*, ERR_DOCKERFILE_*. */
export function readLocalInput(
  context: string,
  request: InputRequest,
  elsewhere: SourceFile | undefined,
): BuildInput {
  checkContext(context, request.contextName)
  if (elsewhere !== undefined) return { dockerfile: elsewhere, ...ignoreOf(context) }
  const path = request.file === undefined ? join(context, 'Dockerfile') : resolve(request.file)
  const name = request.file === undefined ? 'Dockerfile' : basename(path)
  const fallback = name === 'Dockerfile' ? [join(dirname(path), 'dockerfile')] : []
  for (const candidate of [path, ...fallback]) {
    const dockerfile = readDockerfile(candidate, context)
    if (dockerfile !== undefined) return { dockerfile, ...ignoreOf(context, path) }
  }
  throw new SlipwayError({
    code: 'ERR_DOCKERFILE_MISSING',
    message: `open Dockerfile ${path}: no such file`,
    hint: hintFor(context, request),
  })
}

/** The Dockerfile at an absolute path, or undefined when there is none. `context` is the directory whose links are not to lead out of it. */
export function readDockerfile(path: string, context?: string): SourceFile | undefined {
  const bytes = readRegular(path, maxDockerfileBytes, 'Dockerfile', context)
  if (bytes === undefined) return undefined
  return { name: basename(path), text: decodeText(bytes, 'Dockerfile', path) }
}

/** Where the Dockerfile may be instead: --file counts from the working directory, which people forget. */
function hintFor(context: string, { file, contextName }: InputRequest): string {
  if (file !== undefined) {
    const inside = join(contextName, basename(file))
    return existsSync(join(context, basename(file)))
      ? `--file counts from here, not from the context; did you mean ${inside}?`
      : '--file counts from here, not from the context'
  }
  const names = readdirSync(context).filter((name) => /dockerfile|containerfile/i.test(name))
  return names.length === 0
    ? 'name it with --file'
    : `name it with --file: ${names
        .slice(0, 5)
        .map((name) => join(contextName, name))
        .join(', ')}`
}

function checkContext(context: string, typed: string): void {
  try {
    if (statSync(context).isDirectory()) return
  } catch (thrown) {
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(typed)) {
      throw new SlipwayError({
        code: 'ERR_CONTEXT_UNSUPPORTED',
        message: `open context ${redact(typed)}: it is no directory, and fetched are only http, https, git and ssh addresses`,
        hint: 'a repository on this machine is given as a directory',
      })
    }
    const errno = errnoOf(thrown) ?? ''
    const reason = errno === 'ENOENT' ? 'no such directory' : (reasons[errno] ?? errno)
    throw new SlipwayError({
      code: 'ERR_CONTEXT_MISSING',
      message: `open context ${context}: ${reason}`,
      hint: 'the argument of the command is the context directory',
      cause: thrown,
    })
  }
  throw new SlipwayError({
    code: 'ERR_CONTEXT_UNSUPPORTED',
    message: `open context ${context}: not a directory`,
    hint: /\.(?:tar|t[bgxz]z2?|tar\.\w+)$/.test(context)
      ? `give an archive on standard input: slipway build - < ${context}`
      : 'give the Dockerfile with --file and the directory as argument',
  })
}

/** The ignore file that a build of this context would obey, whether there is a Dockerfile or not. Throws ERR_CONTEXT_*. */
export function readIgnoreFile(request: Omit<InputRequest, 'stdin'>): SourceFile | undefined {
  const { context, file } = request
  if (context === undefined) return undefined
  checkContext(context, request.contextName)
  const dockerfile = file === undefined ? join(context, 'Dockerfile') : resolve(file)
  return ignoreOf(context, file === '-' ? undefined : dockerfile).ignoreFile
}

/**
 * `<Dockerfile>.dockerignore` beside the Dockerfile wins over `.dockerignore` in the context, even when it is empty. As in
 * BuildKit the name that was asked for counts, not that of a `dockerfile` found instead.
 */
function ignoreOf(context: string, dockerfile?: string): { ignoreFile?: SourceFile } {
  for (const path of [
    ...(dockerfile ? [`${dockerfile}.dockerignore`] : []),
    join(context, '.dockerignore'),
  ]) {
    const bytes = readRegular(path, maxIgnoreFileBytes, 'ignore file', context)
    if (bytes !== undefined)
      return { ignoreFile: { name: basename(path), text: decodeText(bytes, 'ignore file', path) } }
  }
  return {}
}

/**
 * The bytes of a regular file, or undefined when there is none; never blocks on a pipe. A file in the build context
 * `context` is not read when links lead out of it: its text may be shown in messages.
 */
export function readRegular(
  path: string,
  limitBytes: number,
  what: string,
  context?: string,
): Buffer | undefined {
  let fd: number
  try {
    fd = openInside(path, what, context)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' || errnoOf(thrown) === 'ENOTDIR') return undefined
    if (thrown instanceof SlipwayError) throw thrown
    const errno = errnoOf(thrown)
    throw unreadable(what, path, errno === undefined ? String(thrown) : (reasons[errno] ?? errno), thrown)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile())
      throw unreadable(what, path, stat.isDirectory() ? 'it is a directory' : 'it is no regular file')
    if (stat.size > limitBytes) throw unreadable(what, path, `larger than ${limitBytes >> 20} MiB`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

function openInside(path: string, what: string, context: string | undefined): number {
  const inside = context === undefined ? undefined : realpathSync.native(context)
  const isOfContext =
    context !== undefined &&
    inside !== undefined &&
    (isBelow(path, context) || isBelow(`${realpathSync.native(dirname(path))}/`, inside))
  if (!isOfContext) return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const real = realpathSync.native(path)
  if (!isBelow(real, inside)) throw unreadable(what, path, 'a link leads out of the build context')
  const fd = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  // Directories may have been swapped since.
  if (readlinkSync(`/proc/self/fd/${fd}`) === real) return fd
  closeSync(fd)
  throw unreadable(what, path, 'it changed while it was opened')
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory.endsWith('/') ? directory : `${directory}/`)
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many links, or a link where none may be',
  ENAMETOOLONG: 'its path is longer than Linux takes',
}

function unreadable(what: string, path: string, reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({ code: 'ERR_FILE_UNREADABLE', message: `read ${what} ${path}: ${reason}`, cause })
}
