// What tests of file operations through the helper have in common: how they are applied and what came of them.
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  applyFileOperations,
  type FileCounts,
  type FileOperation,
  type FileTarget,
} from '../../src/sys/files.ts'
import { testNative } from './native.ts'

export const native = testNative()

/** Applies the operations to a directory, or another target. */
export function apply(
  target: string | FileTarget,
  operations: Iterable<FileOperation> | AsyncIterable<FileOperation>,
  options: { signal?: AbortSignal; missingLinkTargets?: 'fail' | 'report' } = {},
): Promise<FileCounts> {
  const signal = options.signal ?? new AbortController().signal
  const goal = typeof target === 'string' ? ({ kind: 'directory', path: target } as const) : target
  return applyFileOperations(goal, operations, { native, ...options, signal })
}

/** Root's. */
export const owner = { uid: 0, gid: 0 }
/** Makes a file with this text. */
export const file = (path: string, text = 'x', mode = 0o644): FileOperation => ({
  op: 'file',
  path,
  mode,
  ...owner,
  source: { bytes: Buffer.from(text) },
})
/** Makes a directory. */
export const directory = (path: string, mode = 0o755): FileOperation => ({
  op: 'directory',
  path,
  mode,
  ...owner,
})
/** Makes a link to a path as it is written. */
export const symlink = (path: string, target: string): FileOperation => ({
  op: 'symlink',
  path,
  target,
  ...owner,
})

/** Every path below `top` with its type letter, links with their target. */
export function tree(top: string, below = ''): string[] {
  return readdirSync(join(top, below))
    .sort()
    .flatMap((name) => {
      const path = join(below, name)
      const status = lstatSync(join(top, path))
      if (status.isDirectory()) return [`d ${path}`, ...tree(top, path)]
      if (status.isSymbolicLink()) return [`l ${path} -> ${readlinkSync(join(top, path))}`]
      if (status.isCharacterDevice()) return [`c ${path} ${status.rdev}`]
      return [`${status.isFile() ? 'f' : '?'} ${path}`]
    })
}
