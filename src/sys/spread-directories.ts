// Where on a disk directories lie. Only a hint: nothing depends on it but time.
import { closeSync, openSync } from 'node:fs'
import { errnoOf } from '../core/error.ts'
import type { Native } from './native.ts'

/**
 * Says of a directory, before there is anything in it, that what its subdirectories hold is not related. ext4 puts new files
 * near to those beside them, and passes over every file that was removed there within the last minutes, one by one: where
 * much was removed each new file takes a tenth of a millisecond. This has it look for a quiet place for each subdirectory,
 * by its name: only directories with random ones should lie in it, or those of all state directories lie together.
 */
export function spreadDirectories(path: string, native: Native): void {
  const fd = openSync(path, 'r')
  try {
    native.addon().spreadDirectories(fd)
  } catch (thrown) {
    // Other file systems have no such flag, and it is not worth a failure.
    if (errnoOf(thrown) === undefined) throw thrown
  } finally {
    closeSync(fd)
  }
}
