// How a failure reported by `slipway-helper run` reads to people and programs.
import { textOf } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { overlayHint } from '../sys/files-error.ts'
import { type HelperEnd, type HelperFailure, isOfOverlay } from '../sys/helper-process.ts'
import type { UserNamespace } from '../sys/user-namespace.ts'
import { systemPlaceAct } from './root-steps.ts'

const codesByKind: Readonly<Record<string, string>> = {
  exec: 'ERR_SANDBOX_EXEC',
  user: 'ERR_SANDBOX_USER',
  image: 'ERR_SANDBOX_IMAGE',
  unsupported: 'ERR_SANDBOX_UNSUPPORTED',
  runtime: 'ERR_RUNTIME_FAILED',
}

/** The error of a helper that ended without saying how the process ended. */
export function sandboxError(end: HelperEnd, namespace: Pick<UserNamespace, 'isInitial'>): SlipwayError {
  const failure = end.failure === undefined ? undefined : explained(end.failure, namespace)
  if (failure === undefined) {
    const how = end.signal === null ? `exit code ${end.code}` : end.signal
    return new SlipwayError({
      code: 'ERR_SANDBOX_HELPER_DIED',
      message: `run process: the helper process died (${how})`,
      data: { code: end.code, signal: end.signal },
    })
  }
  const text = shown(failure.text)
  if (failure.kind === 'exec') return execError(failure)
  const object = failure.path === undefined ? '' : ` ${shown(failure.path)}`
  const act = failure.kind === 'user' && failure.path === undefined ? '' : `${failure.stage}${object}: `
  return new SlipwayError({
    code: codesByKind[failure.kind ?? ''] ?? 'ERR_SANDBOX_FAILED',
    message: `${act}${text}`,
    ...setupHint(failure),
    data: { stage: failure.stage, errno: failure.errno, path: failure.path, reason: text },
  })
}

function setupHint(failure: HelperFailure): { hint?: string } {
  const { kind, errno } = failure
  if (isOfOverlay(failure)) return errno === 'EROFS' ? {} : { hint: overlayHint }
  const isRefused = ['', 'unsupported'].includes(kind ?? '') && (errno === 'EPERM' || errno === 'EACCES')
  return isRefused ? { hint: 'slipway doctor says what is missing on this machine' } : {}
}

/** What the errno of an operation means where that is more than its name says. */
function explained(failure: HelperFailure, { isInitial }: Pick<UserNamespace, 'isInitial'>): HelperFailure {
  const { stage, path = '', errno = '' } = failure
  if (failure.kind !== undefined) return failure
  if (
    stage === systemPlaceAct &&
    ['/dev', '/proc', '/sys'].includes(path) &&
    ['ELOOP', 'ENOTDIR'].includes(errno)
  ) {
    const text = 'it is not a directory in the image (a symbolic link there is refused)'
    return { ...failure, kind: 'image', text }
  }
  if (errno === 'ENOSYS' && /mount attributes|bind mount/.test(stage)) {
    return { ...failure, kind: 'unsupported', text: 'Linux 5.12 or newer is needed' }
  }
  if (stage === 'open device' && errno === 'ENODEV') {
    return { ...failure, kind: 'unsupported', text: 'it is not the device of that name' }
  }
  if (stage === 'mount' && path === 'proc' && errno === 'EPERM' && !isInitial) {
    const text =
      'parts of /proc are hidden from slipway itself, so it may not show all of it (start its own container with --security-opt systempaths=unconfined)'
    return { ...failure, kind: 'unsupported', text }
  }
  return failure
}

/** `data.exitCode` is what a shell would have made of it: 127 not found, 126 not executable. */
function execError(reported: HelperFailure): SlipwayError {
  const program = shown(reported.path ?? '')
  const isSought = reported.stage === 'check program' && !program.includes('/')
  const failure = isSought ? { ...reported, stage: 'find program', errno: 'ENOENT' } : reported
  return new SlipwayError({
    code: 'ERR_SANDBOX_EXEC',
    message: `start process: exec: "${program}": ${execReason(failure, program)}`,
    ...hintFor(failure.errno),
    data: { exitCode: failure.errno === 'ENOENT' ? 127 : 126, errno: failure.errno },
  })
}

/** In docker's words. */
function execReason({ stage, errno, text }: HelperFailure, program: string): string {
  const reason = text.charAt(0).toLowerCase() + text.slice(1)
  if (stage === 'find program') return 'executable file not found in $PATH'
  // The file was there a moment ago: what is missing is its interpreter or dynamic loader.
  if (stage === 'start program' && errno === 'ENOENT') {
    return `${reason} (its interpreter or dynamic loader is missing)`
  }
  const isPlain = stage === 'start program' || errno === 'EISDIR' || errno === 'EACCES'
  return isPlain ? reason : `stat ${program}: ${reason}`
}

function hintFor(errno: string | undefined): { hint?: string } {
  switch (errno) {
    case 'ENOEXEC':
      return {
        hint: 'the file is built for another architecture (check --platform) or is a script without a #! line',
      }
    case 'ENOENT':
      return {
        hint: 'check the spelling and that the image holds it; an exec form ([…]) runs without a shell',
      }
    case 'EACCES':
      return { hint: 'the file is not executable for this user (chmod +x, or COPY --chmod=755)' }
    default:
      return {}
  }
}

/** Texts of the status stream are byte strings. */
function shown(text: string): string {
  return textOf(text).replace(/[\x00-\x1f\x7f]+/g, ' ')
}
