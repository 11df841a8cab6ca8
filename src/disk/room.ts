// What a file system has left.
import { statfsSync } from 'node:fs'
import { storageFailure } from '../store/storage-failure.ts'
import type { Size } from './types.ts'

/** What a file system has, and what of it can still be used; of inodes infinitely many where there is no limit. */
export interface Room {
  readonly total: Size
  readonly free: Size
  readonly used: Size
}

/** Of the file system of `directory`. */
export function roomOf(directory: string): Room {
  try {
    const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(directory)
    const isLimited = files > 0
    const none = Number.POSITIVE_INFINITY
    return {
      total: { bytes: blocks * bsize, inodes: isLimited ? files : none },
      free: { bytes: bavail * bsize, inodes: isLimited ? ffree : none },
      used: { bytes: (blocks - bfree) * bsize, inodes: isLimited ? files - ffree : 0 },
    }
  } catch (thrown) {
    throw storageFailure('look at', directory, thrown)
  }
}
