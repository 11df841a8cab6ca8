// Whether an output can be written, asked before a build of an hour finds out.
import { access, constants, readdir, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { writeFailure } from './destination.ts'
import type { Output } from './output.ts'

export interface OutputSurroundings {
  /** Standard output is a terminal, which must not receive an archive. */
  readonly stdoutIsTerminal: boolean
}

/** Throws when `output` could not be written however the build ends: ERR_OUTPUT_TERMINAL, ERR_OUTPUT_WRITE, ERR_OUTPUT_EXISTS. */
export async function checkOutput(output: Output, surroundings: OutputSurroundings): Promise<void> {
  if (output.type === 'cacheonly' || output.type === 'image') return
  const { dest } = output
  if (dest === '-') {
    if (!surroundings.stdoutIsTerminal) return
    throw new SlipwayError({
      code: 'ERR_OUTPUT_TERMINAL',
      message: `write ${output.type} archive: standard output is a terminal`,
      hint: 'redirect it to a file, or write dest=PATH',
    })
  }
  const isDirectory = output.type === 'local' || (output.type === 'oci' && !output.tar)
  const found = await kindOf(dest)
  if (found === 'missing') return writableParent(dest, isDirectory)
  if (isDirectory && found !== 'directory') throw exists(dest, 'it exists and is not a directory')
  if (!isDirectory && found === 'directory') throw exists(dest, 'it is a directory')
  if (output.type === 'oci' && isDirectory) {
    const names = await readdir(dest)
    if (names.length > 0 && !names.includes('index.json')) {
      throw exists(dest, 'the directory is neither empty nor an OCI layout')
    }
  }
  // A file is replaced by another one beside it; a device or a pipe is written to.
  const file = found === 'file' ? await fileAt(dest) : undefined
  await writable(file === undefined ? dest : dirname(file))
}

async function kindOf(path: string): Promise<'missing' | 'directory' | 'file' | 'other'> {
  try {
    const found = await stat(path)
    return found.isDirectory() ? 'directory' : found.isFile() ? 'file' : 'other'
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return 'missing'
    throw writeFailure(path, thrown)
  }
}

/** Where the file is that `path` leads to; undefined when it has no name any more (/dev/fd/3 may be a removed file). */
async function fileAt(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw writeFailure(path, thrown)
  }
}

async function writableParent(dest: string, isDirectory: boolean): Promise<void> {
  const parent = dirname(dest.replace(/\/+$/, ''))
  const found = await kindOf(parent)
  if (found === 'directory') return writable(parent)
  // Missing parents of a directory are made, as docker does; those of a file are not.
  if (found === 'missing' && isDirectory) return writableParent(parent, true)
  throw new SlipwayError({
    code: 'ERR_OUTPUT_WRITE',
    message: `write ${dest}: ${parent} is not a directory`,
    ...(found === 'missing' ? { hint: `make it first: mkdir -p ${parent}` } : {}),
  })
}

async function writable(path: string): Promise<void> {
  try {
    const search = (await kindOf(path)) === 'directory' ? constants.X_OK : 0
    await access(path, constants.W_OK | search)
  } catch (thrown) {
    throw writeFailure(path, thrown)
  }
}

function exists(dest: string, reason: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_OUTPUT_EXISTS', message: `write ${dest}: ${reason}` })
}
