// How a failure reported by `slipway-helper files` reads to people and programs.
import { textOf } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { type HelperEnd, type HelperFailure, isOfOverlay } from './helper-process.ts'

const codesByKind: Readonly<Record<string, string>> = {
  'path-escapes': 'ERR_FILES_PATH_INVALID',
  'path-root': 'ERR_FILES_PATH_INVALID',
  'name-too-long': 'ERR_FILES_NAME_TOO_LONG',
  'link-target-missing': 'ERR_FILES_LINK_TARGET_MISSING',
  'link-to-directory': 'ERR_FILES_LINK_TO_DIRECTORY',
  'source-changed': 'ERR_FILES_SOURCE_CHANGED',
  'source-not-regular': 'ERR_FILES_SOURCE_NOT_REGULAR',
  'device-reserved': 'ERR_FILES_DEVICE_RESERVED',
  'xattr-reserved': 'ERR_FILES_XATTR_RESERVED',
  'owner-unmapped': 'ERR_FILES_OWNER_UNMAPPED',
  malformed: 'ERR_FILES_REQUEST_MALFORMED',
}

const noSpace = [
  'ERR_FILES_NO_SPACE',
  'free some disk space, or move the state directory to a larger disk',
] as const

const codesByErrno: Readonly<Record<string, readonly [code: string, hint?: string]>> = {
  ENOSPC: noSpace,
  EDQUOT: ['ERR_FILES_QUOTA', 'the disk quota is used up'],
  EROFS: ['ERR_FILES_READ_ONLY'],
  EFBIG: ['ERR_FILES_TOO_LARGE'],
  ENAMETOOLONG: ['ERR_FILES_NAME_TOO_LONG'],
  ENOTDIR: ['ERR_FILES_NOT_A_DIRECTORY'],
  ELOOP: ['ERR_FILES_LINK_LOOP'],
}

const unmappedHint =
  'more ids than /etc/subuid and /etc/subgid grant: use a smaller one, or add a line there; slipway doctor shows them'

/** What can be done where the kernel mounts no overlay on the state directory. */
export const overlayHint =
  'SLIPWAY_SNAPSHOTTER=copy does without overlayfs; faster is a state directory (SLIPWAY_ROOT) on ext4, xfs, btrfs or tmpfs'

/** The error of a helper that ended without reporting success. `data.path` is a byte string. */
export function filesError(end: HelperEnd, stderr: string): SlipwayError {
  const { failure } = end
  if (failure === undefined) {
    const how = end.signal === null ? `exit code ${end.code}` : end.signal
    return new SlipwayError({
      code: 'ERR_FILES_HELPER_DIED',
      message: `write files: the helper process died (${how})`,
      data: { code: end.code, signal: end.signal, stderr },
    })
  }
  const [code, hint] = codeOf(failure)
  const object = failure.path === undefined ? '' : ` ${shownPath(failure.path)}`
  return new SlipwayError({
    code,
    message: `${failure.stage}${object}: ${failure.text}`,
    ...(hint === undefined ? {} : { hint }),
    data: { ...failure },
  })
}

function codeOf(failure: HelperFailure): readonly [code: string, hint?: string] {
  const byKind = codesByKind[failure.kind ?? '']
  if (byKind === 'ERR_FILES_OWNER_UNMAPPED') return [byKind, unmappedHint]
  if (byKind !== undefined) return [byKind]
  // The kernel says no more of a full disk than that the overlay is read-only.
  if (isOfOverlay(failure)) return failure.errno === 'EROFS' ? noSpace : ['ERR_FILES_MOUNT', overlayHint]
  if (/^(create mount namespace|make mounts private)/.test(failure.stage)) return ['ERR_FILES_MOUNT']
  if (failure.stage === 'open' && failure.errno === 'ENOENT') return ['ERR_FILES_SOURCE_MISSING']
  return codesByErrno[failure.errno ?? ''] ?? ['ERR_FILES_FAILED']
}

/** A byte-string path as people read it: UTF-8 where it is, quoted when it holds blanks or control characters. */
export function shownPath(path: string): string {
  const text = textOf(path)
  return /[\s"\\\x00-\x1f\x7f]/.test(text) ? JSON.stringify(text) : text
}
