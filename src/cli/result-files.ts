// The files that tell other programs what a build made: --iidfile and --metadata-file.
import { accessSync, constants, lstatSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { errnoOf, SlipwayError } from '../core/error.ts'

export interface ResultFiles {
  readonly iidfile?: string
  readonly metadataFile?: string
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such directory',
  ENOTDIR: 'a part of the path is not a directory',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on device',
}

/**
 * Throws ERR_RESULT_FILE when a file could not be written however the build ends.
 * Postcondition: the ID of an earlier build is gone, so that a build that fails leaves none.
 */
export function prepareResultFiles({ iidfile, metadataFile }: ResultFiles): void {
  for (const [flag, path] of [
    ['--iidfile', iidfile],
    ['--metadata-file', metadataFile],
  ] as const) {
    if (path === undefined) continue
    writing(flag, path, () => {
      const found = statSync(path, { throwIfNoEntry: false })
      if (found?.isDirectory()) throw Object.assign(new Error(path), { code: 'EISDIR' })
      const isRemoved = flag === '--iidfile' && lstatSync(path, { throwIfNoEntry: false })?.isFile() === true
      if (found === undefined || isRemoved) {
        accessSync(dirname(resolve(path)), constants.W_OK | constants.X_OK)
      } else accessSync(path, constants.W_OK)
      if (isRemoved) rmSync(path)
      // A link (/dev/stdout is one) stays.
      else if (flag === '--iidfile' && found?.isFile()) truncateSync(path)
    })
  }
}

/** Writes what is asked for; an ID file is empty when no image was made. */
export function writeResultFiles(
  { iidfile, metadataFile }: ResultFiles,
  made: { readonly imageId?: string; readonly metadata: Readonly<Record<string, unknown>> },
): void {
  if (iidfile !== undefined) writing('--iidfile', iidfile, () => writeFileSync(iidfile, made.imageId ?? ''))
  if (metadataFile !== undefined) {
    const text = `${JSON.stringify(made.metadata, undefined, 2)}\n`
    writing('--metadata-file', metadataFile, () => writeFileSync(metadataFile, text))
  }
}

function writing(flag: string, path: string, act: () => void): void {
  try {
    act()
  } catch (cause) {
    const errno = errnoOf(cause)
    if (errno === undefined) throw cause
    throw new SlipwayError({
      code: 'ERR_RESULT_FILE',
      message: `write ${flag} ${path}: ${reasons[errno] ?? errno}`,
      cause,
    })
  }
}
