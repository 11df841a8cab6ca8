// What a cache directory may hold in the places that are written to. It may be part of a checked-out repository, and whoever
// made that can have put links there: to other people's files, or to a directory of blobs that are then not needed.
import { lstat } from 'node:fs/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'

const places = [
  ['blobs', 'directory'],
  ['blobs/sha256', 'directory'],
  ['index.json', 'regular file'],
  ['oci-layout', 'regular file'],
  ['.slipway-lock', 'regular file'],
] as const

/** Postcondition: what is written and removed is in the directory itself, and no pipe is waited for. Throws ERR_CACHE_DIRECTORY. */
export async function checkLayoutFiles(directory: string): Promise<void> {
  for (const [name, wanted] of places) {
    const found = await lstat(`${directory}/${name}`).catch((thrown: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes(errnoOf(thrown) ?? '')) return undefined
      throw thrown
    })
    const isFit = wanted === 'directory' ? found?.isDirectory() : found?.isFile()
    if (isFit !== false) continue
    throw new SlipwayError({
      code: 'ERR_CACHE_DIRECTORY',
      message: `write cache ${directory}: ${name} is no ${wanted}`,
      hint: 'remove it, or choose another directory',
    })
  }
}
