// What the disk says, as one line for a person.
import { errnoOf, SlipwayError } from '../core/error.ts'

const reasons: Readonly<Record<string, readonly [code: string, reason: string, hint: string]>> = {
  ENOSPC: [
    'ERR_STORE_FULL',
    'no space left on device',
    'free some space, or choose another place with SLIPWAY_ROOT',
  ],
  EDQUOT: [
    'ERR_STORE_FULL',
    'disk quota exceeded',
    'free some space, or choose another place with SLIPWAY_ROOT',
  ],
  EFBIG: ['ERR_STORE_FULL', 'the file is too large for this file system or limit', 'see ulimit -f'],
  EROFS: ['ERR_STORE_READ_ONLY', 'the file system is read-only', 'choose another place with SLIPWAY_ROOT'],
  EACCES: ['ERR_STORE_DENIED', 'permission denied', 'the state directory must belong to the user who builds'],
  EPERM: [
    'ERR_STORE_DENIED',
    'operation not permitted',
    'the state directory must belong to the user who builds',
  ],
  EMFILE: ['ERR_STORE_FILES', 'too many open files', 'raise ulimit -n'],
  ENFILE: ['ERR_STORE_FILES', 'too many open files in the system', 'raise fs.file-max'],
  EIO: ['ERR_STORE_IO', 'input/output error', 'the disk may be failing; see dmesg'],
  ENOTDIR: [
    'ERR_STORE_LAYOUT',
    'a part of the path is not a directory',
    'choose another place with SLIPWAY_ROOT',
  ],
}

/** The failure of a file operation inside the store, named by act and path; SlipwayErrors pass unchanged. */
export function storageFailure(act: string, path: string, thrown: unknown): SlipwayError {
  if (thrown instanceof SlipwayError) return thrown
  const errno = errnoOf(thrown)
  const [code, reason, hint] = (errno === undefined ? undefined : reasons[errno]) ?? [
    'ERR_STORE_IO',
    thrown instanceof Error ? thrown.message : String(thrown),
    undefined,
  ]
  return new SlipwayError({
    code,
    message: `${act} ${path}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
    ...(errno === undefined ? {} : { data: { errno, path } }),
    cause: thrown,
  })
}

/** Runs file operations, turning their failures into `storageFailure(act, path)`. */
export async function onDisk<T>(act: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (thrown) {
    throw storageFailure(act, path, thrown)
  }
}
